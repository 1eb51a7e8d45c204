-- Takes a seat away (see seat.go). It waits for a transaction that has it.
--
-- $1 id
DELETE FROM leasehold.lease AS s WHERE s.id = $1 RETURNING true
