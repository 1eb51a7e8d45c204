-- Invariant: as in acquire.sql, for names that have no row yet. Where somebody else makes
-- a row at the same moment it waits for the end of that, and then leaves the row alone:
-- rows are made in the order of the names, so no two batches can wait for each other. (It
-- would wait for an update, too. So rows that are there are not tried, and a transaction
-- that has updated any does not come here.)
--
-- $1 names, each once, $2 tickets, $3 lease, $4 number and $5 timeline of the
-- session's epoch (see grant.sql)
INSERT INTO leasehold.lock AS l (name, fence, holder_lease, holder_ticket, granted_at)
SELECT r.name, (date_part('epoch', clock_timestamp()) * 1000000)::bigint, $3, r.ticket, clock_timestamp()
FROM unnest($1::text[], $2::uuid[]) AS r (name, ticket)
WHERE NOT EXISTS (SELECT FROM leasehold.lock AS k WHERE k.name = r.name)
  AND EXISTS (SELECT FROM leasehold.lease AS s WHERE s.id = $3)
  AND (SELECT e.granting AND e.number = $4 AND e.timeline = coalesce($5, e.timeline) FROM leasehold.epoch AS e)
ORDER BY r.name COLLATE "C"
ON CONFLICT (name) DO NOTHING
RETURNING l.name, l.fence, l.granted_at
