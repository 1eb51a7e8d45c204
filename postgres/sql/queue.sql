-- Invariant: as in acquire.sql, of which this is the common case on a hot lock: it is held,
-- and not revoked, or has just been freed, and nobody else has the row locked. In every other case nothing
-- is done and no row returned. For the sub-select see pass.sql; for the commit that does not
-- wait for the disk, where this takes a place in the queue, acquire.sql.
--
-- $1 name, $2 lease, $3 ticket, $4 number and $5 timeline of the session's epoch (see
-- grant.sql)
UPDATE leasehold.lock AS l SET
    fence = CASE
        WHEN l.holder_ticket IS NULL
            THEN greatest(l.fence + 1, (date_part('epoch', clock_timestamp()) * 1000000)::bigint)
        ELSE l.fence END,
    holder_lease = coalesce(l.holder_lease, $2),
    holder_ticket = coalesce(l.holder_ticket, $3),
    granted_at = coalesce(l.granted_at, clock_timestamp()),
    queue_leases = CASE WHEN l.holder_ticket IS NULL THEN l.queue_leases ELSE l.queue_leases || $2::uuid END,
    queue_tickets = CASE WHEN l.holder_ticket IS NULL THEN l.queue_tickets ELSE l.queue_tickets || $3::uuid END
WHERE l.ctid = (
    SELECT k.ctid
    FROM leasehold.lock AS k
    WHERE k.name = $1 AND k.crowd IS NULL
      AND CASE WHEN k.holder_ticket IS NULL
            THEN num_nonnulls(k.holder_lease, k.granted_at, k.marked_at, k.queue_tickets[1]) = 0
            ELSE k.holder_ticket <> $3 AND $3 <> ALL (k.queue_tickets)
                AND num_nonnulls(k.holder_lease, k.granted_at) = 2 AND k.marked_at IS NULL END
    FOR NO KEY UPDATE SKIP LOCKED)
  AND EXISTS (SELECT FROM leasehold.lease AS s WHERE s.id = $2)
  AND (SELECT e.granting AND e.number = $4 AND e.timeline = coalesce($5, e.timeline) FROM leasehold.epoch AS e)
RETURNING
    l.fence, l.holder_lease, l.holder_ticket, l.granted_at, l.queue_leases, l.queue_tickets,
    CASE WHEN l.holder_ticket <> $3 THEN set_config('synchronous_commit', 'off', true) END
