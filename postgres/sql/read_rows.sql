-- Invariant: locks and the leases they name are of one snapshot, so a lease that is
-- named and not returned is gone. No row is locked.
--
-- The second half of read_names.sql, read_page.sql and read_lease.sql, each of which
-- says in "page" which locks are read.
SELECT
    e.number,
    l.name, l.fence, l.holder_lease, l.holder_ticket, l.granted_at,
    (extract(epoch FROM clock_timestamp() - l.granted_at) * 1000000)::bigint,
    l.mark_by, l.mark_reason, l.marked_at,
    (extract(epoch FROM clock_timestamp() - l.marked_at) * 1000000)::bigint,
    l.queue_leases, l.queue_tickets,
    l.crowd, l.data, clock_timestamp(),
    NULL::uuid, NULL::bigint, NULL::bigint, NULL::text, NULL::text, NULL::integer, NULL::text, NULL::bigint, NULL::boolean
FROM leasehold.epoch AS e
LEFT JOIN page AS l ON true
UNION ALL
SELECT
    NULL,
    NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
    NULL, NULL, NULL,
    s.id, s.beat, s.ttl_ms, s.owner, s.host, s.pid, s.app,
    (extract(epoch FROM clock_timestamp() - s.renewed_at) * 1000000)::bigint, s.fixed
FROM leasehold.lease AS s
WHERE s.id IN (
    SELECT p.holder_lease FROM page AS p
    UNION ALL
    SELECT unnest(p.queue_leases) FROM page AS p
    UNION ALL
    SELECT (jsonb_array_elements(p.crowd -> 'members') ->> 'lease')::uuid FROM page AS p WHERE p.crowd IS NOT NULL
)
