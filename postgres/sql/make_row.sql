-- Ends a transition of a name that had no row (see lock_row.sql), unless somebody else
-- has made one.
--
-- $1 name, and the columns
INSERT INTO leasehold.lock (name, fence, holder_lease, holder_ticket, granted_at, mark_by,
    mark_reason, marked_at, queue_leases, queue_tickets, crowd, data)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
ON CONFLICT (name) DO NOTHING
RETURNING true
