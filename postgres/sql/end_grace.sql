-- Invariant: granting begins again only in the incarnation that the caller judged, and
-- only when every trust from before it is over: the caller has watched the pause for the
-- longest TTL and its margin, or this database's clock finds it overdue. The condition
-- is evaluated on the newest version: an incarnation recorded meanwhile stays paused.
--
-- $1 epoch, $2 watched, $3 tolerance in ms or null, $4 system identifier
UPDATE leasehold.epoch AS e SET granting = true
WHERE e.number = $1
  AND NOT e.granting
  AND e.system_identifier = coalesce($4, e.system_identifier)
  AND e.timeline = left(pg_walfile_name(pg_current_wal_insert_lsn()), 8)
  AND ($2 OR clock_timestamp() > e.seen_at
    + ((SELECT m.max_ttl_ms FROM leasehold.meta AS m) + $3) * interval '1 millisecond')
RETURNING true
