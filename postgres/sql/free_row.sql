-- Invariant: somebody who holds is removed only under FOR UPDATE, which a guard's FOR KEY
-- SHARE excludes. No row: a guard is in progress, or somebody else is at it.
--
-- $1 name
SELECT l.name FROM leasehold.lock AS l WHERE l.name = $1 FOR UPDATE SKIP LOCKED
