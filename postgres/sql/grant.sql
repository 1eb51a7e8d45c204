-- Invariant: a name gets a holder only if, under its row lock, it has none; the fence of
-- the grant is computed there too, so it is larger than every earlier one.
--
-- The common case of acquire.sql: the row is there and free, and nobody else has it
-- locked. In every other case nothing is done and no row returned, and acquire.sql follows.
-- For the sub-select see pass.sql.
--
-- $1 name, $2 lease, $3 ticket, $4 number of the epoch that this session was found to be
-- of, $5 its timeline: while a session lasts, its server cannot become another incarnation
UPDATE leasehold.lock AS l SET
    fence = greatest(l.fence + 1, (date_part('epoch', clock_timestamp()) * 1000000)::bigint),
    holder_lease = $2,
    holder_ticket = $3,
    granted_at = clock_timestamp()
WHERE l.ctid = (
    SELECT k.ctid
    FROM leasehold.lock AS k
    WHERE k.name = $1 AND k.holder_ticket IS NULL AND k.crowd IS NULL
      AND num_nonnulls(k.holder_lease, k.granted_at, k.marked_at, k.queue_tickets[1]) = 0
    FOR NO KEY UPDATE SKIP LOCKED)
  AND EXISTS (SELECT FROM leasehold.lease AS s WHERE s.id = $2)
  AND (SELECT e.granting AND e.number = $4 AND e.timeline = coalesce($5, e.timeline) FROM leasehold.epoch AS e)
RETURNING l.fence, l.granted_at
