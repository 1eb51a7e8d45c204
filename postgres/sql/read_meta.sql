-- Invariant: nothing is changed; it says whether this program may use the tables.
--
-- $1 system identifier
SELECT
    m.version, m.protocol, m.oldest_protocol, m.max_ttl_ms, e.number, e.granting,
    (extract(epoch FROM clock_timestamp() - e.seen_at) * 1000000)::bigint,
    e.system_identifier = coalesce($1, e.system_identifier)
        AND e.timeline = left(pg_walfile_name(pg_current_wal_insert_lsn()), 8)
FROM leasehold.meta AS m, leasehold.epoch AS e
