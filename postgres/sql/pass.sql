-- Invariant: only the exact (name, lease, ticket) is ended, and a holder is cleared or
-- replaced only under FOR UPDATE, which a guard's FOR KEY SHARE excludes.
--
-- The common case of release.sql: the attempt holds, and nobody else has the row locked.
-- In every other case it does nothing and returns no row, and release.sql follows.
--
-- The sub-select locks the newest version of the row, evaluates its condition on that, and
-- yields that version's address. The update takes the version at the address, if the
-- statement's snapshot shows it, and evaluates every expression below on it: nobody can
-- change it any more. Where the row was changed since the snapshot, it finds nothing.
--
-- The notification is sent with the commit, so it carries the grant: the new holder's
-- ticket and fence.
--
-- $1 name, $2 lease, $3 ticket, $4 system identifier
UPDATE leasehold.lock AS l SET
    fence = CASE
        WHEN l.queue_tickets[1] IS NOT NULL
            THEN greatest(l.fence + 1, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint)
        ELSE l.fence END,
    holder_lease = l.queue_leases[1],
    holder_ticket = l.queue_tickets[1],
    granted_at = CASE WHEN l.queue_tickets[1] IS NOT NULL THEN clock_timestamp() END,
    mark_by = NULL, mark_reason = NULL, marked_at = NULL,
    queue_leases = l.queue_leases[2:],
    queue_tickets = l.queue_tickets[2:]
WHERE l.ctid = (
    SELECT k.ctid
    FROM leasehold.lock AS k
    WHERE k.name = $1 AND k.holder_lease = $2 AND k.holder_ticket = $3
    FOR UPDATE SKIP LOCKED)
  AND (l.queue_tickets[1] IS NULL OR (
    SELECT e.granting
        AND e.system_identifier = coalesce($4, e.system_identifier)
        AND e.timeline = left(pg_walfile_name(pg_current_wal_insert_lsn()), 8)
    FROM leasehold.epoch AS e))
RETURNING CASE WHEN l.holder_lease IS NOT NULL
    THEN pg_notify(
        'leasehold_' || encode(uuid_send(l.holder_lease), 'hex'),
        encode(uuid_send(l.holder_ticket) || int8send(l.fence), 'hex') || l.name) END IS NULL
