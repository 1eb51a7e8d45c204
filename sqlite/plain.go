package sqlite

import (
	"context"

	"github.com/leaseholdgo/leasehold/driver"
)

// What most calls do is one statement, which changes nothing where the row is not
// plain, or not as package machine wants it for that: then the machine has to look. A
// statement has the file's write lock from its beginning, so it sees the newest rows.
const (
	// A lock that was held before, that nobody holds or waits for, becomes that of the
	// attempt. Its fence is the clock's, if that is past the last one.
	grantPlain = `
		UPDATE leasehold_lock SET fence = ?1, holder_lease = ?2, holder_ticket = ?3, since = ?1
		WHERE name = ?4 AND holder_lease IS NULL AND holder_ticket IS NULL AND fence BETWEEN 0 AND ?1 - 1` + isPlain + `
			AND EXISTS (SELECT 1 FROM leasehold_lease, leasehold_meta WHERE id = ?2 AND epoch = ?5)`
	// A lock that the attempt holds, that is not revoked and that nobody waits for, becomes free.
	freePlain = `
		UPDATE leasehold_lock SET holder_lease = NULL, holder_ticket = NULL, since = NULL
		WHERE name = ?1 AND holder_lease = ?2 AND holder_ticket = ?3 AND fence > 0 AND since IS NOT NULL` + isPlain
	isPlain = `
			AND mark_at IS NULL AND length(queue) = 0
			AND crowd IS NULL AND kept_until IS NULL AND data IS NULL AND keep_data = 0`
)

// plain makes a call in a transaction of its own, if one statement can, and reports whether
// it has.
func (l *lane) plain(r *call) (done bool, err error) {
	tx := &tx{l, now()}
	if !r.release {
		return tx.plain(r)
	}
	err = l.unflushed(func() (err error) {
		done, err = tx.plain(r)
		return err
	})
	return done, err
}

// unflushed runs f, whose transactions do not wait until they are on the disk: the next
// one that waits carries them there, for the log is flushed in order. Before that only a
// crash of the host can undo them. If that undoes a release, the lock stands there as held
// by a client that has died with the host, so it passes on at once.
func (l *lane) unflushed(f func() error) error {
	err := l.set(`PRAGMA synchronous = NORMAL`)
	if err == nil {
		err = f()
	}
	if l.set(`PRAGMA synchronous = FULL`) != nil {
		l.hangUp() // the next connection is set to it from the beginning
	}
	return err
}

// set runs a pragma that takes effect when it is compiled, so it is compiled each time.
func (l *lane) set(pragma string) error {
	if err := l.connect(); err != nil {
		return err
	}
	_, err := l.conn.ExecContext(context.Background(), pragma)
	return err
}

// plain makes a call if one statement can, and reports whether it has.
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
	now := t.now.UnixMicro()
	rows, err := t.count(grantPlain, now, r.Lease[:], r.Ticket[:], []byte(r.Name), int64(t.epoch))
	r.reply = driver.Reply{
		Lock:  driver.Lock{Name: r.Name, Fence: uint64(now), Holder: r.Place(), Since: t.now},
		Epoch: t.epoch,
	}
	return rows == 1, err
}

func (t *tx) free(r *call) (bool, error) {
	rows, err := t.count(freePlain, []byte(r.Name), r.Lease[:], r.Ticket[:])
	r.outcome = driver.Released
	return rows == 1, err
}
