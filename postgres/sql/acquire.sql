-- Invariant: a name gets a holder only if, under its row lock, it has none; the fence of
-- the grant is computed there too, so it is larger than every earlier one.
--
-- "settled" and "entry" are read from the snapshot, without a lock. They can only keep
-- the statement from writing, and what they say was true within this call: the name was
-- held by another (nothing to do for who does not wait), or the attempt had its place
-- already. A lease seen there proves nothing; one that is missing is gone for ever.
--
-- What decides is DO UPDATE: PostgreSQL locks the newest committed version of the row
-- and evaluates every expression below on that version. It changes no key column, so
-- the lock is FOR NO KEY UPDATE: a guard of the holder's does not stop others queueing.
--
-- A place in the queue does not wait for the disk, and so keeps the row for a moment only:
-- who holds is mostly about to pass it on. If a crash of the server undoes the place, its
-- client finds that when it looks, and asks again; see docs/protocol.md.
--
-- A damaged row, neither free nor held, is left alone, and none is returned. So is a row
-- with a crowd, which is returned: lock_row.sql begins what is done to it.
--
-- $1 name, $2 lease, $3 ticket, $4 wait, $5 system identifier
WITH entry AS MATERIALIZED (
    SELECT
        e.number,
        e.granting,
        e.system_identifier = coalesce($5, e.system_identifier)
            AND e.timeline = left(pg_walfile_name(pg_current_wal_insert_lsn()), 8) AS same,
        EXISTS (SELECT FROM leasehold.lease AS s WHERE s.id = $2) AS alive
    FROM leasehold.epoch AS e
),
settled AS MATERIALIZED (
    SELECT l.*
    FROM leasehold.lock AS l
    WHERE l.name = $1
      AND (l.crowd IS NOT NULL
        OR l.holder_ticket IS NOT NULL
            AND (NOT $4 OR l.holder_ticket = $3 OR $3 = ANY (l.queue_tickets)))
),
written AS (
    INSERT INTO leasehold.lock AS l (name, fence, holder_lease, holder_ticket, granted_at)
    SELECT $1, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint, $2, $3, clock_timestamp()
    FROM entry
    WHERE entry.alive AND entry.same AND entry.granting AND NOT EXISTS (SELECT FROM settled)
    ON CONFLICT (name) DO UPDATE SET
        fence = CASE
            WHEN l.holder_ticket IS NULL
                THEN greatest(l.fence + 1, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint)
            ELSE l.fence END,
        holder_lease = coalesce(l.holder_lease, $2),
        holder_ticket = coalesce(l.holder_ticket, $3),
        granted_at = coalesce(l.granted_at, clock_timestamp()),
        queue_leases = CASE
            WHEN $4 AND l.holder_ticket <> $3 AND $3 <> ALL (l.queue_tickets)
                THEN l.queue_leases || $2::uuid
            ELSE l.queue_leases END,
        queue_tickets = CASE
            WHEN $4 AND l.holder_ticket <> $3 AND $3 <> ALL (l.queue_tickets)
                THEN l.queue_tickets || $3::uuid
            ELSE l.queue_tickets END
    WHERE l.crowd IS NULL AND (
           num_nonnulls(l.holder_lease, l.holder_ticket, l.granted_at) = 3
        OR num_nonnulls(l.holder_lease, l.holder_ticket, l.granted_at, l.marked_at) + cardinality(l.queue_tickets) = 0)
    RETURNING l.*, CASE WHEN l.holder_ticket <> $3 THEN set_config('synchronous_commit', 'off', true) END
)
SELECT
    entry.number, entry.same, entry.granting, entry.alive,
    l.name, l.fence, l.holder_lease, l.holder_ticket, l.granted_at,
    (extract(epoch FROM clock_timestamp() - l.granted_at) * 1000000)::bigint,
    l.mark_by, l.mark_reason, l.marked_at,
    (extract(epoch FROM clock_timestamp() - l.marked_at) * 1000000)::bigint,
    l.queue_leases, l.queue_tickets,
    l.crowd, NULL::bytea, clock_timestamp()
FROM entry
LEFT JOIN (SELECT * FROM written UNION ALL SELECT settled.*, NULL FROM settled) AS l ON true
