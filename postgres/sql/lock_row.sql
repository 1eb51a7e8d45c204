-- Begins a transition of a row that is not plain, in a transaction: package machine
-- decides, and write_row.sql or make_row.sql writes. The row is the newest version, and
-- cannot change until the commit. It waits for the short writes of others, for no guard.
--
-- $1 name, $2 lease, $3 system identifier
WITH l AS MATERIALIZED (
    SELECT l.*
    FROM leasehold.lock AS l
    WHERE l.name = $1
    FOR NO KEY UPDATE
)
SELECT
    e.number,
    e.system_identifier = coalesce($3, e.system_identifier)
        AND e.timeline = left(pg_walfile_name(pg_current_wal_insert_lsn()), 8),
    e.granting,
    EXISTS (SELECT FROM leasehold.lease AS s WHERE s.id = $2),
    l.name, l.fence, l.holder_lease, l.holder_ticket, l.granted_at,
    (extract(epoch FROM clock_timestamp() - l.granted_at) * 1000000)::bigint,
    l.mark_by, l.mark_reason, l.marked_at,
    (extract(epoch FROM clock_timestamp() - l.marked_at) * 1000000)::bigint,
    l.queue_leases, l.queue_tickets,
    l.crowd, l.data, clock_timestamp()
FROM leasehold.epoch AS e
LEFT JOIN l ON true
