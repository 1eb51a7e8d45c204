-- Which locks are read; read_rows.sql follows.
--
-- It looks at every row: there is no index on holders, which would make every grant dearer.
--
-- $1 lease
WITH page AS MATERIALIZED (
    SELECT l.*
    FROM leasehold.lock AS l
    WHERE l.holder_lease = $1
       OR $1 = ANY (l.queue_leases)
       OR l.crowd @> jsonb_build_object('members', jsonb_build_array(jsonb_build_object('lease', $1::uuid::text)))
)
