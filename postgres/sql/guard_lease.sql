-- Invariant: run after guard_row.sql has the row lock, so that its snapshot is younger
-- than the lock: a lease ended before the guard began is not taken for a living one.
--
-- $1 lease
SELECT EXISTS (SELECT FROM leasehold.lease AS s WHERE s.id = $1)
