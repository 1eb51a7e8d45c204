package sqlite

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
)

// beatFormat is what a lease's file holds: the beat, and when it was written in
// Unix microseconds. It has a fixed length, so one write replaces the other.
const beatFormat = "%020d %020d\n"

const beatSize = 42

// beat raises the beat of a lease of ours.
func (d *leaseDir) beat(id driver.ID, now time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := d.own[id]
	if f == nil {
		return driver.ErrLeaseGone
	}
	f.beat++
	_, err := f.WriteAt(fmt.Appendf(nil, beatFormat, f.beat, now.UnixMicro()), 0)
	return err
}

// examine adds to a lease's row what its file says at the instant now: whether
// it lives, the beat, and the age of that. The latter two are for people, for
// grounds that name them, and for fixed leases; else liveness is decided by the lock alone. Without a
// file, or without sense in it, the beat is 1 and the age that of the row.
func (d *leaseDir) examine(l *driver.LeaseState, now time.Time) {
	l.Beat, l.Liveness = 1, driver.Dead
	f, err := os.Open(d.file(l.ID))
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) || d.owned(l.ID) != nil {
			l.Liveness = driver.Alive // it may well be; it is not for us to end it
		}
		return
	}
	defer f.Close()
	beat, written, err := readBeat(f)
	if err == nil {
		l.Beat, l.Age = beat, max(now.Sub(written), 0)
	}
	switch {
	case unlocked(f):
	case l.Fixed && err == nil:
		l.Liveness = driver.Unknown // only time ends it as long as its client lives
	default:
		l.Liveness = driver.Alive
	}
}

// alive reports whether the lease lives, as far as can be known.
func (d *leaseDir) alive(id driver.ID) bool {
	l := driver.LeaseState{Lease: driver.Lease{ID: id}}
	d.examine(&l, time.Now())
	return l.Liveness != driver.Dead
}

func readBeat(f *os.File) (beat uint64, written time.Time, err error) {
	text := make([]byte, beatSize)
	if _, err := f.ReadAt(text, 0); err != nil && !errors.Is(err, io.EOF) {
		return 0, time.Time{}, err
	}
	var micro int64
	if _, err := fmt.Sscanf(string(text), "%d %d\n", &beat, &micro); err != nil {
		return 0, time.Time{}, err
	}
	return beat, time.UnixMicro(micro), nil
}
