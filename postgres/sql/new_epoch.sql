-- Invariant: as record_epoch.sql, by an operator: this database may lack grants though
-- its identity is the same, or is not told. Nothing is granted from here on.
--
-- $1 system identifier
UPDATE leasehold.epoch AS e SET
    number = greatest(e.number + 1, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint),
    system_identifier = coalesce($1, e.system_identifier),
    timeline = left(pg_walfile_name(pg_current_wal_insert_lsn()), 8),
    seen_at = clock_timestamp(),
    granting = false
RETURNING true
