-- Invariant: a renewal changes an existing row and never makes one, so a lease that
-- was ended stays ended. The notice returned is that of the row version written: if
-- the update waited for a revocation, it is evaluated again on the newest version.
--
-- $1 id, $2 system identifier
UPDATE leasehold.lease AS s
SET beat = s.beat + 1, renewed_at = clock_timestamp()
WHERE s.id = $1
RETURNING
    s.notice,
    (SELECT e.number FROM leasehold.epoch AS e),
    (SELECT e.system_identifier = coalesce($2, e.system_identifier)
        AND e.timeline = left(pg_walfile_name(pg_current_wal_insert_lsn()), 8)
     FROM leasehold.epoch AS e)
