-- Invariant: one incarnation is recorded once: compare-and-set, under the row lock, on
-- the newest version. Whoever comes second finds it recorded and reads its number.
--
-- $1 system identifier
UPDATE leasehold.epoch AS e SET
    number = e.number + 1,
    system_identifier = coalesce($1, e.system_identifier),
    timeline = left(pg_walfile_name(pg_current_wal_insert_lsn()), 8),
    seen_at = clock_timestamp()
WHERE e.system_identifier <> coalesce($1, e.system_identifier)
   OR e.timeline <> left(pg_walfile_name(pg_current_wal_insert_lsn()), 8)
