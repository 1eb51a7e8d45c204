-- Invariant: only the exact (name, lease, ticket) is ended, and a holder is cleared or
-- replaced only under FOR UPDATE, which a guard's FOR KEY SHARE excludes.
--
-- "mine" waits for the short writes of others (queueing, marking) but for no guard, and
-- yields the newest version of the row, which then cannot change until the commit: when
-- PostgreSQL had to wait, or finds a newer version than the snapshot's, it evaluates the
-- condition again on that version. The condition covers holding and waiting alike, so a
-- promotion in between is seen, not missed. An attempt that the snapshot does not show
-- has ended before: it is in the row from the end of its Acquire until it is removed.
--
-- "free" strengthens the lock to FOR UPDATE, or yields nothing while a guard is there.
-- The updates take every value from "mine", none from their own snapshot.
--
-- A row with a crowd is left alone: lock_row.sql begins what is done to it.
--
-- $1 name, $2 lease, $3 ticket, $4 system identifier
WITH entry AS MATERIALIZED (
    SELECT
        e.granting,
        e.system_identifier = coalesce($4, e.system_identifier)
            AND e.timeline = left(pg_walfile_name(pg_current_wal_insert_lsn()), 8) AS same
    FROM leasehold.epoch AS e
),
mine AS MATERIALIZED (
    SELECT
        l.name, l.fence, l.queue_leases, l.queue_tickets,
        l.holder_ticket IS NOT DISTINCT FROM $3 AS holds,
        l.crowd IS NOT NULL AS crowded,
        array_position(l.queue_tickets, $3) AS place
    FROM leasehold.lock AS l
    WHERE l.name = $1
      AND (l.holder_lease = $2 AND l.holder_ticket = $3
        OR l.queue_leases[array_position(l.queue_tickets, $3)] = $2
        OR l.crowd IS NOT NULL)
    FOR NO KEY UPDATE
),
free AS MATERIALIZED (
    SELECT l.name
    FROM mine
    JOIN leasehold.lock AS l ON l.name = mine.name
    CROSS JOIN entry
    WHERE mine.holds AND NOT mine.crowded
      AND (cardinality(mine.queue_tickets) = 0 OR entry.same AND entry.granting)
    FOR UPDATE OF l SKIP LOCKED
),
passed AS (
    UPDATE leasehold.lock AS l SET
        fence = CASE
            WHEN cardinality(mine.queue_tickets) > 0
                THEN greatest(mine.fence + 1, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint)
            ELSE mine.fence END,
        holder_lease = mine.queue_leases[1],
        holder_ticket = mine.queue_tickets[1],
        granted_at = CASE WHEN cardinality(mine.queue_tickets) > 0 THEN clock_timestamp() END,
        mark_by = NULL, mark_reason = NULL, marked_at = NULL,
        queue_leases = mine.queue_leases[2:],
        queue_tickets = mine.queue_tickets[2:]
    FROM mine
    JOIN free ON free.name = mine.name
    WHERE l.name = mine.name
    RETURNING l.name, l.fence, l.holder_lease, l.holder_ticket
),
cancelled AS (
    UPDATE leasehold.lock AS l SET
        queue_leases = mine.queue_leases[1:mine.place - 1] || mine.queue_leases[mine.place + 1:],
        queue_tickets = mine.queue_tickets[1:mine.place - 1] || mine.queue_tickets[mine.place + 1:]
    FROM mine
    WHERE l.name = mine.name AND NOT mine.holds AND NOT mine.crowded
    RETURNING l.name
)
SELECT
    mine.holds,
    mine.crowded,
    passed.name IS NOT NULL OR EXISTS (SELECT FROM cancelled),
    entry.same,
    entry.granting,
    CASE WHEN passed.holder_lease IS NOT NULL
        THEN pg_notify(
            'leasehold_' || encode(uuid_send(passed.holder_lease), 'hex'),
            encode(uuid_send(passed.holder_ticket) || int8send(passed.fence), 'hex') || passed.name) END IS NULL
FROM mine
CROSS JOIN entry
LEFT JOIN passed ON passed.name = mine.name
