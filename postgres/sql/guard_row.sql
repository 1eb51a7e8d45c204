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
-- Who shares the lock is found in the crowd. A permit is no ground for a guard.
--
-- $1 name, $2 lease, $3 ticket
SELECT
    coalesce(l.mark_by, member.mark ->> 'by'),
    coalesce(l.mark_reason, member.mark ->> 'reason')
FROM leasehold.lock AS l
CROSS JOIN LATERAL (
    SELECT
        count(*) > 0 AS holds,
        (array_agg(m.value -> 'mark'))[1] AS mark
    FROM jsonb_array_elements(CASE WHEN l.crowd -> 'limit' IS NULL THEN l.crowd -> 'members' END) AS m
    WHERE m.value ->> 'lease' = $2::uuid::text AND m.value ->> 'ticket' = $3::uuid::text
) AS member
WHERE l.name = $1
  AND (l.holder_lease = $2 AND l.holder_ticket = $3 OR member.holds)
FOR KEY SHARE OF l
