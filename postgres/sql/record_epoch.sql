-- Invariant: one incarnation is recorded once: compare-and-set, under the row lock, on
-- the newest version. Whoever comes second finds it recorded and reads its number. From
-- that moment on nothing is granted, unless it is the very first or grace is turned off.
--
-- The number is never given twice, also not by two standbys of one primary that are
-- promoted in turn and record what is next after the same one: it follows the clock.
--
-- $1 system identifier
UPDATE leasehold.epoch AS e SET
    number = greatest(e.number + 1, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint),
    system_identifier = coalesce($1, e.system_identifier),
    timeline = left(pg_walfile_name(pg_current_wal_insert_lsn()), 8),
    seen_at = clock_timestamp(),
    granting = e.number = 0 OR NOT (SELECT m.grace FROM leasehold.meta AS m)
WHERE e.system_identifier <> coalesce($1, e.system_identifier)
   OR e.timeline <> left(pg_walfile_name(pg_current_wal_insert_lsn()), 8)
RETURNING true
