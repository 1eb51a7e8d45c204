-- Invariant: a mark is set on the grant under the fence given or on none, the first mark
-- stays, and the holder's notice rises in the same transaction. A plain update: the
-- holder's guard does not hinder it. "seen" is the newest version, kept until the commit.
--
-- A row with a crowd is left alone: lock_row.sql begins what is done to it.
--
-- Lock rows are locked before lease rows; no statement does it the other way round.
--
-- $1 name, $2 fence, $3 by, $4 reason
WITH seen AS MATERIALIZED (
    SELECT l.name, l.holder_lease, l.marked_at IS NULL AND l.crowd IS NULL AS fresh, l.crowd IS NOT NULL AS crowded
    FROM leasehold.lock AS l
    WHERE l.name = $1 AND (l.fence = $2 AND l.holder_ticket IS NOT NULL OR l.crowd IS NOT NULL)
    FOR NO KEY UPDATE
),
marked AS (
    UPDATE leasehold.lock AS l
    SET mark_by = $3, mark_reason = $4, marked_at = clock_timestamp()
    FROM seen
    WHERE l.name = seen.name AND seen.fresh
),
noticed AS (
    UPDATE leasehold.lease AS s
    SET notice = s.notice + 1
    FROM seen
    WHERE s.id = seen.holder_lease AND seen.fresh
)
SELECT
    seen.crowded,
    CASE WHEN NOT seen.crowded
        THEN pg_notify('leasehold_' || encode(uuid_send(seen.holder_lease), 'hex'), repeat('0', 48) || seen.name) END IS NULL
FROM seen
