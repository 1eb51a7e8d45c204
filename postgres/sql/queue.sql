-- Invariant: an attempt has one place in a row. The common case of acquire.sql on a hot
-- lock: it is held, and nobody else has the row locked. In every other case nothing is
-- done and no row returned, and acquire.sql follows. For the sub-select see pass.sql; for
-- the commit that does not wait for the disk, acquire.sql.
--
-- $1 name, $2 lease, $3 ticket, $4 number and $5 timeline of the session's epoch (see
-- grant.sql)
UPDATE leasehold.lock AS l SET
    queue_leases = l.queue_leases || $2::uuid,
    queue_tickets = l.queue_tickets || $3::uuid
WHERE l.ctid = (
    SELECT k.ctid
    FROM leasehold.lock AS k
    WHERE k.name = $1 AND k.holder_ticket <> $3 AND $3 <> ALL (k.queue_tickets)
      AND k.holder_lease IS NOT NULL AND k.granted_at IS NOT NULL AND k.crowd IS NULL
    FOR NO KEY UPDATE SKIP LOCKED)
  AND EXISTS (SELECT FROM leasehold.lease AS s WHERE s.id = $2)
  AND (SELECT e.granting AND e.number = $4 AND e.timeline = coalesce($5, e.timeline) FROM leasehold.epoch AS e)
RETURNING
    l.name, l.fence, l.holder_lease, l.holder_ticket, l.granted_at,
    (extract(epoch FROM clock_timestamp() - l.granted_at) * 1000000)::bigint,
    l.mark_by, l.mark_reason, l.marked_at,
    (extract(epoch FROM clock_timestamp() - l.marked_at) * 1000000)::bigint,
    l.queue_leases, l.queue_tickets,
    l.crowd, NULL::bytea, clock_timestamp(),
    set_config('synchronous_commit', 'off', true)
