-- Invariant: while the caller's transaction lasts, nobody else becomes holder: whoever
-- changes a holder first locks the row FOR UPDATE, which FOR KEY SHARE excludes. Queueing,
-- cancelling and marking do not conflict with it.
--
-- If the holder was changed since the snapshot, PostgreSQL waits for that change and
-- evaluates the condition on the newest version (READ COMMITTED), or reports a
-- serialization failure (the stricter levels). It may return a version older than the
-- newest one, but only if nothing but the queue and the mark was changed since: an update
-- after FOR UPDATE counts as one of the key.
--
-- $1 name, $2 lease, $3 ticket
SELECT l.mark_by, l.mark_reason
FROM leasehold.lock AS l
WHERE l.name = $1 AND l.holder_lease = $2 AND l.holder_ticket = $3
FOR KEY SHARE
