-- Which locks are read; read_rows.sql follows.
--
-- It looks at every row: there is no index on holders, which would make every grant dearer.
--
-- $1 lease
WITH page AS MATERIALIZED (
    SELECT l.*
    FROM leasehold.lock AS l
    WHERE l.holder_lease = $1 OR $1 = ANY (l.queue_leases)
)
