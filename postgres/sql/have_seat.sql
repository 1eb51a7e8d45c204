-- How many seats there are of the id: part of what a transaction begins with (see seat.go).
SELECT count(*) FROM (SELECT FROM leasehold.lease AS s WHERE s.id = $seat FOR KEY SHARE) AS seat
