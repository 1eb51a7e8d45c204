-- Which locks are read; read_rows.sql follows.
--
-- $1 after this name, $2 from this name, $3 to this name, $4 at most so many rows
WITH page AS MATERIALIZED (
    SELECT l.*
    FROM leasehold.lock AS l
    WHERE l.name > $1 AND l.name >= $2 AND l.name <= $3
    ORDER BY l.name
    LIMIT $4
)
