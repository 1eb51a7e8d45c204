-- Which locks are read; read_rows.sql follows.
--
-- $1 names
WITH page AS MATERIALIZED (
    SELECT l.*
    FROM leasehold.lock AS l
    WHERE l.name = ANY ($1::text[])
)
