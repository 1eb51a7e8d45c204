-- Invariant: as in pass.sql, for many names at a time. It waits for no row: one that is
-- locked by somebody else, a guard included, is left out.
--
-- $1 names, each once, $2 tickets, $3 lease, $4 number and $5 timeline of the
-- session's epoch (see grant.sql)
UPDATE leasehold.lock AS l SET
    fence = CASE
        WHEN l.queue_tickets[1] IS NOT NULL
            THEN greatest(l.fence + 1, (date_part('epoch', clock_timestamp()) * 1000000)::bigint)
        ELSE l.fence END,
    holder_lease = l.queue_leases[1],
    holder_ticket = l.queue_tickets[1],
    granted_at = CASE WHEN l.queue_tickets[1] IS NOT NULL THEN clock_timestamp() END,
    queue_leases = l.queue_leases[2:],
    queue_tickets = l.queue_tickets[2:]
FROM (
    SELECT k.ctid AS address, r.n
    FROM unnest($1::text[], $2::uuid[]) WITH ORDINALITY AS r (name, ticket, n)
    JOIN leasehold.lock AS k ON k.name = r.name
    WHERE k.holder_lease = $3 AND k.holder_ticket = r.ticket
      AND k.marked_at IS NULL AND k.crowd IS NULL
    FOR UPDATE OF k SKIP LOCKED
) AS mine
WHERE l.ctid = mine.address
  AND (l.queue_tickets[1] IS NULL
    OR (SELECT e.granting AND e.number = $4 AND e.timeline = coalesce($5, e.timeline) FROM leasehold.epoch AS e))
RETURNING mine.n, l.fence, l.holder_lease, l.holder_ticket
