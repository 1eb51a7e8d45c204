-- Tells a lease's client, at its next renewal, that a grant of it was revoked.
--
-- $1 id
UPDATE leasehold.lease AS s SET notice = s.notice + 1 WHERE s.id = $1
RETURNING true
