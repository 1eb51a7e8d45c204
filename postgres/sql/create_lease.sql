-- Invariant: a lease id has at most one row, and a repeated call renews that row and
-- changes nothing else of it, so that a lost reply can be asked for again. No lease is
-- longer than the longest one that grace reckons with, also while that is being changed;
-- but for fixed ones, which are not protected across the failover of a lagging standby.
--
-- $1 id, $2 ttl in ms, $3 owner, $4 host, $5 pid, $6 app, $7 system identifier,
-- $8 whether it is fixed
INSERT INTO leasehold.lease AS s (id, beat, notice, ttl_ms, owner, host, pid, app, renewed_at, fixed)
SELECT $1, 1, 0, $2::bigint, $3, $4, $5, $6, clock_timestamp(), $8::boolean
FROM leasehold.meta AS m
WHERE $8 OR $2 <= m.max_ttl_ms
FOR SHARE
ON CONFLICT (id) DO UPDATE SET beat = s.beat + 1, renewed_at = clock_timestamp()
RETURNING
    s.notice,
    (SELECT e.number FROM leasehold.epoch AS e),
    (SELECT e.system_identifier = coalesce($7, e.system_identifier)
        AND e.timeline = left(pg_walfile_name(pg_current_wal_insert_lsn()), 8)
     FROM leasehold.epoch AS e)
