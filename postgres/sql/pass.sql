-- Invariant: only the exact (name, lease, ticket) is ended, and a holder is cleared or
-- replaced only under FOR UPDATE, which a guard's FOR KEY SHARE excludes.
--
-- The common case of release.sql: the attempt holds, and nobody else has the row locked.
-- In every other case it does nothing and returns no row, and release.sql follows.
--
-- The sub-select locks the newest version of the row, evaluates its condition on that, and
-- yields that version's address. The update takes the version at the address, if the
-- statement's snapshot shows it, and evaluates every expression below on it: nobody can
-- change it any more. Where the row was changed since the snapshot, it finds nothing.
--
-- Handed over: the new holder's client is told with the commit, with its ticket and fence,
-- unless another release is at that. (The server keeps one lock for all of its databases
-- from a notification to the end of that commit; so the second one of two at a time is
-- left to notify.sql, and the two commits share a flush.)
--
-- Freed: the commit does not wait for the disk, if $6 says so. A crash of the server may
-- undo it then, but nothing that was committed after it: see docs/protocol.md.
--
-- $1 name, $2 lease, $3 ticket, $4 number and $5 timeline of the session's epoch
-- (see grant.sql), $6 whether the release may be lost
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
WHERE l.ctid = (
    SELECT k.ctid
    FROM leasehold.lock AS k
    WHERE k.name = $1 AND k.holder_lease = $2 AND k.holder_ticket = $3
      AND k.marked_at IS NULL AND k.crowd IS NULL
    FOR UPDATE SKIP LOCKED)
  AND (l.queue_tickets[1] IS NULL
    OR (SELECT e.granting AND e.number = $4 AND e.timeline = coalesce($5, e.timeline) FROM leasehold.epoch AS e))
RETURNING
    l.holder_lease, l.holder_ticket, l.fence,
    CASE
        WHEN l.holder_lease IS NULL
            THEN $6 AND set_config('synchronous_commit', 'off', true) IS NULL
        WHEN pg_try_advisory_xact_lock(1818583410, 0)
            THEN pg_notify(
                'leasehold_' || encode(uuid_send(l.holder_lease), 'hex'),
                encode(uuid_send(l.holder_ticket) || int8send(l.fence), 'hex') || l.name) IS NOT NULL
        ELSE false END
