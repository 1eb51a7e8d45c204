-- Ends a transition (see lock_row.sql).
--
-- $1 name, and the columns
UPDATE leasehold.lock AS l SET
    fence = $2,
    holder_lease = $3,
    holder_ticket = $4,
    granted_at = $5,
    mark_by = $6,
    mark_reason = $7,
    marked_at = $8,
    queue_leases = $9,
    queue_tickets = $10,
    crowd = $11,
    data = $12
WHERE l.name = $1
RETURNING true
