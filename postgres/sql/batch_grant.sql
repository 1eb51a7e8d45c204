-- Invariant: as in acquire.sql, for many names at a time. It waits for no row: one that is
-- locked by somebody else is left out, so that no two batches can wait for each other.
--
-- "free" locks the newest version of each row, evaluates its condition on that, and yields
-- its address. The update takes the version at the address,
-- if the snapshot shows it, and evaluates every expression on it. Whatever is not
-- returned was not changed.
--
-- $1 names, each once, $2 tickets, $3 which of them wait, $4 lease, $5 number and $6
-- timeline of the session's epoch (see grant.sql)
UPDATE leasehold.lock AS l SET
    fence = CASE
        WHEN l.holder_ticket IS NULL
            THEN greatest(l.fence + 1, (date_part('epoch', clock_timestamp()) * 1000000)::bigint)
        ELSE l.fence END,
    holder_lease = coalesce(l.holder_lease, $4),
    holder_ticket = coalesce(l.holder_ticket, free.ticket),
    granted_at = coalesce(l.granted_at, clock_timestamp()),
    queue_leases = CASE WHEN l.holder_ticket IS NULL THEN l.queue_leases ELSE l.queue_leases || $4::uuid END,
    queue_tickets = CASE WHEN l.holder_ticket IS NULL THEN l.queue_tickets ELSE l.queue_tickets || free.ticket END
FROM (
    SELECT k.ctid AS address, r.ticket, r.n
    FROM unnest($1::text[], $2::uuid[], $3::boolean[]) WITH ORDINALITY AS r (name, ticket, waits, n)
    JOIN leasehold.lock AS k ON k.name = r.name
    WHERE k.crowd IS NULL
      AND CASE WHEN k.holder_ticket IS NULL
            THEN num_nonnulls(k.holder_lease, k.granted_at, k.marked_at, k.queue_tickets[1]) = 0
            ELSE r.waits AND k.holder_ticket <> r.ticket AND r.ticket <> ALL (k.queue_tickets)
                AND num_nonnulls(k.holder_lease, k.granted_at) = 2 END
    FOR NO KEY UPDATE OF k SKIP LOCKED
) AS free
WHERE l.ctid = free.address
  AND EXISTS (SELECT FROM leasehold.lease AS s WHERE s.id = $4)
  AND (SELECT e.granting AND e.number = $5 AND e.timeline = coalesce($6, e.timeline) FROM leasehold.epoch AS e)
RETURNING free.n, l.fence, l.holder_lease, l.holder_ticket, l.granted_at, l.queue_leases, l.queue_tickets
