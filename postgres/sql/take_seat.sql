-- Invariant: no statement of a session takes effect after its seat is gone (see seat.go).
-- Seats, which no lease is as short as, are swept after a day; whoever needs such a one takes
-- another.
--
-- $1 id
WITH swept AS (
    DELETE FROM leasehold.lease AS s
    WHERE s.id IN (
        SELECT o.id
        FROM leasehold.lease AS o
        WHERE o.ttl_ms = 1 AND clock_timestamp() > o.renewed_at + interval '1 day'
        FOR UPDATE SKIP LOCKED)
)
INSERT INTO leasehold.lease AS s (id, beat, notice, ttl_ms, owner, host, pid, app, renewed_at, fixed)
VALUES ($1, 1, 0, 1, '', '', 0, 'seat', clock_timestamp(), true)
RETURNING true
