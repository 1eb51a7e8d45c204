-- Tells clients of grants that were committed before. Nothing is written that matters after
-- a crash, so the commit waits for no disk; a notification that is lost is a look missed.
--
-- $1 channels, $2 payloads
SELECT
    set_config('synchronous_commit', 'off', true) IS NULL,
    count(pg_notify(n.channel, n.payload))
FROM unnest($1::text[], $2::text[]) AS n (channel, payload)
