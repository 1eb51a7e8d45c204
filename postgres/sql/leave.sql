-- Invariant: as in pass.sql, of which this is the shorter case: nobody waits. In every other
-- case it does nothing and returns no row, and pass.sql follows.
--
-- $1 name, $2 lease, $3 ticket, $4 whether the release may be lost
UPDATE leasehold.lock AS l SET
    holder_lease = NULL,
    holder_ticket = NULL,
    granted_at = NULL
WHERE l.ctid = (
    SELECT k.ctid
    FROM leasehold.lock AS k
    WHERE k.name = $1 AND k.holder_lease = $2 AND k.holder_ticket = $3
      AND k.marked_at IS NULL AND k.crowd IS NULL AND k.queue_tickets[1] IS NULL
    FOR UPDATE SKIP LOCKED)
RETURNING $4 AND set_config('synchronous_commit', 'off', true) IS NULL
