-- Invariant: nothing is changed. Which of a client's attempts have left their queues, and
-- the notice of its lease: what notifications tell where there are none.
--
-- $1 lease, $2 names, $3 tickets
SELECT
    (SELECT s.notice FROM leasehold.lease AS s WHERE s.id = $1),
    gone.n,
    gone.fence
FROM (VALUES (1)) AS one
LEFT JOIN (
    SELECT
        a.n,
        CASE WHEN l.holder_lease = $1 AND l.holder_ticket = a.ticket AND l.marked_at IS NULL THEN l.fence END AS fence
    FROM unnest($2::text[], $3::uuid[]) WITH ORDINALITY AS a (name, ticket, n)
    LEFT JOIN leasehold.lock AS l ON l.name = a.name
    WHERE l.name IS NULL OR a.ticket <> ALL (l.queue_tickets)
) AS gone ON true
