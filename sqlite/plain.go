package sqlite

import (
	"database/sql"
	"errors"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
)

// What most calls do is one statement, which changes nothing where the row is not
// plain, or not as package machine wants it for that: then the machine has to look. A
// statement has the file's write lock from its beginning, so it sees the newest rows.
const (
	// A lock that was held before, that nobody holds or waits for, becomes that of the
	// attempt, under a fence that rises by the row.
	grantPlain = `
		UPDATE leasehold_lock SET fence = max(fence + 1, ?1), holder_lease = ?2, holder_ticket = ?3, since = ?1
		WHERE name = ?4 AND holder_lease IS NULL AND holder_ticket IS NULL AND fence >= 0` + isPlain + `
			AND EXISTS (SELECT 1 FROM leasehold_lease WHERE id = ?2)
		RETURNING fence, (SELECT epoch FROM leasehold_meta)`
	// A lock that the attempt holds, that is not revoked and that nobody waits for, becomes free.
	freePlain = `
		UPDATE leasehold_lock SET holder_lease = NULL, holder_ticket = NULL, since = NULL
		WHERE name = ?1 AND holder_lease = ?2 AND holder_ticket = ?3 AND fence > 0 AND since IS NOT NULL` + isPlain
	isPlain = `
			AND mark_at IS NULL AND length(queue) = 0
			AND crowd IS NULL AND kept_until IS NULL AND data IS NULL AND keep_data = 0`
)

// plain makes a call if its row is plain and it is nobody else's business, and reports
// whether it has.
func (t *tx) plain(r *call) (bool, error) {
	switch {
	case r.release:
		return t.free(r)
	case r.Terms == driver.Terms{}:
		return t.grant(r)
	default:
		return false, nil
	}
}

func (t *tx) grant(r *call) (bool, error) {
	var fence, epoch int64
	now := t.now.UnixMicro()
	err := t.row(grantPlain, now, r.Lease[:], r.Ticket[:], []byte(r.Name)).Scan(&fence, &epoch)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	r.reply = driver.Reply{
		Lock:  driver.Lock{Name: r.Name, Fence: uint64(fence), Holder: r.Place(), Since: time.UnixMicro(now)},
		Epoch: uint64(epoch),
	}
	return err == nil, err
}

func (t *tx) free(r *call) (bool, error) {
	rows, err := t.count(freePlain, []byte(r.Name), r.Lease[:], r.Ticket[:])
	r.outcome = driver.Released
	return rows == 1, err
}
