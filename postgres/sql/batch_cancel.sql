-- Invariant: only the exact (name, lease, ticket) leaves the queue. A plain update, which
-- no guard of the holder's hinders; a row that is locked by somebody else is left out.
--
-- $1 names, each once, $2 tickets, $3 lease
UPDATE leasehold.lock AS l SET
    queue_leases = l.queue_leases[1:mine.place - 1] || l.queue_leases[mine.place + 1:],
    queue_tickets = l.queue_tickets[1:mine.place - 1] || l.queue_tickets[mine.place + 1:]
FROM (
    SELECT k.ctid AS address, r.n, array_position(k.queue_tickets, r.ticket) AS place
    FROM unnest($1::text[], $2::uuid[]) WITH ORDINALITY AS r (name, ticket, n)
    JOIN leasehold.lock AS k ON k.name = r.name
    WHERE k.queue_leases[array_position(k.queue_tickets, r.ticket)] = $3 AND k.crowd IS NULL
    FOR NO KEY UPDATE OF k SKIP LOCKED
) AS mine
WHERE l.ctid = mine.address
RETURNING mine.n
