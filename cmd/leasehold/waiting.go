package main

import (
	"fmt"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"github.com/leaseholdgo/leasehold"
)

// trouble is the last thing that the store refused, if any.
type trouble struct{ last atomic.Pointer[string] }

func (t *trouble) note(_ string, err error) {
	text := plain(err)
	t.last.Store(&text)
}

// line says what we wait for.
func (t *trouble) line(info leasehold.Info) string {
	if last := t.last.Load(); last != nil && info.Holder == nil {
		return fmt.Sprintf("waiting for %q: %s", info.Name, *last)
	}
	return waitingLine(info)
}

// waitingLine says whom we wait for.
func waitingLine(info leasehold.Info) string {
	host, _ := os.Hostname()
	ahead := slices.IndexFunc(info.Waiters, func(w leasehold.Waiter) bool {
		return w.PID == os.Getpid() && w.Host == host
	})
	if ahead < 0 {
		ahead = len(info.Waiters)
	}
	line := fmt.Sprintf("waiting for %q", info.Name)
	switch {
	case info.Holder != nil:
		line += ", held by " + info.Holder.String() + others(info)
	case info.Kept > 0:
		line += fmt.Sprintf(", which stays taken for another %v, the minimum hold of its last holder", info.Kept.Round(time.Millisecond))
	}
	return line + fmt.Sprintf(", %d ahead in the queue", ahead)
}

// others says how many hold besides the first, and how many may.
func others(info leasehold.Info) string {
	text := ""
	if n := len(info.Holders) - 1; n > 0 {
		text = fmt.Sprintf(" and %d more", n)
	}
	if info.Limit > 0 {
		text += fmt.Sprintf(" (%d of %d permits)", len(info.Holders), info.Limit)
	}
	return text
}
