-- Invariant: a lease is deleted only while the grounds hold for the version deleted. If
-- the delete had to wait for a renewal, READ COMMITTED evaluates the condition again on
-- the renewed version, where neither the beat nor the age fits any more.
--
-- "Gone" may be judged by the snapshot: ids never come back.
--
-- $1 id, $2 own, $3 the beat observed or null, $4 tolerance in ms or null
WITH ended AS (
    DELETE FROM leasehold.lease AS s
    WHERE s.id = $1
      AND ($2 OR s.beat = $3 OR clock_timestamp() > s.renewed_at + (s.ttl_ms + $4) * interval '1 millisecond')
    RETURNING s.id
)
SELECT EXISTS (SELECT FROM ended) OR NOT EXISTS (SELECT FROM leasehold.lease AS s WHERE s.id = $1)
