package sqlite

import (
	"errors"
	"io/fs"
	"os"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
)

// holder is the lease of somebody who holds what this client waits for. Those
// ahead in the queue need no look: a dead one is looked at when it is granted the
// lock.
type holder struct {
	file *os.File  // open as long as it is looked at
	gone bool      // the lease has no row, or no file
	told time.Time // when we last woke the client because it is dead
}

// watch makes the listener look at these leases, given with whether they have a
// row, and at no others.
func (l *listener) watch(needed map[driver.ID]bool) {
	for id, h := range l.holders {
		if _, ok := needed[id]; !ok {
			h.close()
			delete(l.holders, id)
		}
	}
	for id, exists := range needed {
		h, ok := l.holders[id]
		if !ok {
			h = l.c.leases.watch(id)
			l.holders[id] = h
		}
		h.gone = h.gone || !exists
	}
}

func (d *leaseDir) watch(id driver.ID) *holder {
	f, err := os.Open(d.file(id))
	if err != nil {
		return &holder{gone: errors.Is(err, fs.ErrNotExist)}
	}
	return &holder{file: f}
}

// probe wakes the client if a holder has died: at once, and again at every idle
// tick while that stays so.
func (l *listener) probe() {
	for _, h := range l.holders {
		if h.dead() && time.Since(h.told) >= idleTick {
			h.told = time.Now()
			l.wake(driver.Hint{})
		}
	}
}

func (h *holder) dead() bool { return h.gone || h.file != nil && unlocked(h.file) }

func (h *holder) close() {
	if h.file != nil {
		h.file.Close()
	}
}
