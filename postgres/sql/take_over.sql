-- Invariant: nobody is removed but those whose lease is among the dead ids given, and a
-- holder under the fence given if its grant is marked: compare-and-set, on the row
-- version that is then locked. No lease's life is judged here: this statement's snapshot
-- may miss a lease made since.
--
-- "seen" takes the newest version and keeps it (see release.sql); it waits for no guard.
-- "free" is FOR UPDATE, and is taken only when the holder goes; while the holder's guard
-- is in progress it yields nothing, and nothing is done. Dropping dead waiters alone is a
-- plain update, which no guard hinders. The snapshot may lack the row's newest members;
-- the caller looks again anyway.
--
-- A row with a crowd is left alone: lock_row.sql begins what is done to it.
--
-- $1 name, $2 dead lease ids, $3 fence of a revoked grant that ends (0: none),
-- $4 system identifier
WITH entry AS MATERIALIZED (
    SELECT
        e.granting,
        e.system_identifier = coalesce($4, e.system_identifier)
            AND e.timeline = left(pg_walfile_name(pg_current_wal_insert_lsn()), 8) AS same
    FROM leasehold.epoch AS e
),
seen AS MATERIALIZED (
    SELECT l.name, l.fence, l.holder_lease, l.marked_at, l.queue_leases, l.queue_tickets, l.crowd IS NOT NULL AS crowded
    FROM leasehold.lock AS l
    WHERE l.name = $1
      AND (l.holder_lease = ANY ($2::uuid[])
        OR l.queue_leases && $2::uuid[]
        OR l.fence = $3 AND l.marked_at IS NOT NULL
        OR l.crowd IS NOT NULL)
    FOR NO KEY UPDATE
),
plan AS MATERIALIZED (
    SELECT
        seen.name, seen.fence, seen.crowded,
        coalesce(seen.holder_lease = ANY ($2::uuid[]), false) OR seen.fence = $3 AND seen.marked_at IS NOT NULL AS ends,
        rest.leases, rest.tickets
    FROM seen
    CROSS JOIN LATERAL (
        SELECT
            coalesce(array_agg(q.lease ORDER BY q.n), '{}') AS leases,
            coalesce(array_agg(q.ticket ORDER BY q.n), '{}') AS tickets
        FROM unnest(seen.queue_leases, seen.queue_tickets) WITH ORDINALITY AS q (lease, ticket, n)
        WHERE q.lease <> ALL ($2::uuid[])
    ) AS rest
),
free AS MATERIALIZED (
    SELECT l.name
    FROM plan
    JOIN leasehold.lock AS l ON l.name = plan.name
    CROSS JOIN entry
    WHERE plan.ends AND NOT plan.crowded
      AND (cardinality(plan.tickets) = 0 OR entry.same AND entry.granting)
    FOR UPDATE OF l SKIP LOCKED
),
passed AS (
    UPDATE leasehold.lock AS l SET
        fence = CASE
            WHEN cardinality(plan.tickets) > 0
                THEN greatest(plan.fence + 1, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint)
            ELSE plan.fence END,
        holder_lease = plan.leases[1],
        holder_ticket = plan.tickets[1],
        granted_at = CASE WHEN cardinality(plan.tickets) > 0 THEN clock_timestamp() END,
        mark_by = NULL, mark_reason = NULL, marked_at = NULL,
        queue_leases = plan.leases[2:],
        queue_tickets = plan.tickets[2:]
    FROM plan
    JOIN free ON free.name = plan.name
    WHERE l.name = plan.name
    RETURNING l.name, l.fence, l.holder_lease, l.holder_ticket
),
dropped AS (
    UPDATE leasehold.lock AS l SET queue_leases = plan.leases, queue_tickets = plan.tickets
    FROM plan
    WHERE l.name = plan.name AND NOT plan.ends AND NOT plan.crowded
)
SELECT
    plan.crowded,
    passed.name IS NOT NULL OR NOT plan.ends,
    entry.same,
    entry.granting,
    CASE WHEN passed.holder_lease IS NOT NULL
        THEN pg_notify(
            'leasehold_' || encode(uuid_send(passed.holder_lease), 'hex'),
            encode(uuid_send(passed.holder_ticket) || int8send(passed.fence), 'hex') || passed.name) END IS NULL
FROM plan
CROSS JOIN entry
LEFT JOIN passed ON passed.name = plan.name
