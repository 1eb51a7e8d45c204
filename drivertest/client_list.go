package drivertest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/driver"
)

func clientInvalid(w *world) {
	c := w.open("owner")
	for _, name := range []string{"", "a\x00b", "\x00", "\xff", "a\xc3", "\xed\xa0\x80", strings.Repeat("x", 1025)} {
		if l, err := c.Acquire(w.ctx(), name); l != nil || !errors.Is(err, leasehold.ErrInvalid) {
			w.Errorf("Acquire(%q): %v, want ErrInvalid", name, err)
		}
		if l, err := c.TryAcquire(w.ctx(), name); l != nil || !errors.Is(err, leasehold.ErrInvalid) {
			w.Errorf("TryAcquire(%q): %v, want ErrInvalid", name, err)
		}
	}
	longest := strings.Repeat("x", 1024)
	w.unlock(w.lock(c, longest))
	if view := w.read(driver.Query{Limit: 10}); !slices.Equal(namesOf(view), []string{longest}) {
		w.Errorf("rows of %q", namesOf(view))
	}
}

func clientGetAndList(w *world) {
	holder, waiter := w.open("the holder"), w.open("the waiter")
	never, err := holder.Get(w.ctx(), "never")
	if err != nil || never.State != leasehold.Free || never.Fence != 0 || never.Holder != nil {
		w.Errorf("Get of a name never locked: %+v, %v", never, err)
	}
	names := []string{"job/A", "job/a", "job/b", "job/ä"}
	for _, name := range names {
		w.lock(holder, name)
	}
	w.unlock(w.lock(holder, "other"))
	w.wait(w.Context(), waiter, "job/a", 1)
	info, err := waiter.Get(w.ctx(), "job/a")
	switch {
	case err != nil:
		w.Fatalf("Get: %v", err)
	case info.State != leasehold.Held, info.Fence == 0, info.Mark != nil:
		w.Errorf("Get of a held lock: %+v", info)
	case info.Holder == nil || info.Holder.Owner != "the holder" || info.Holder.PID == 0 || info.Holder.Since.IsZero():
		w.Errorf("holder %+v", info.Holder)
	case len(info.Waiters) != 1 || info.Waiters[0].Owner != "the waiter":
		w.Errorf("waiters %+v", info.Waiters)
	}
	w.wantListed(waiter, leasehold.ListOptions{Prefix: "job/", PageSize: 2}, names...)
	w.wantListed(waiter, leasehold.ListOptions{PageSize: 3}, append(names, "other")...)
	w.wantListed(waiter, leasehold.ListOptions{Prefix: "job_"})
}

func (w *world) wantListed(c *leasehold.Client, options leasehold.ListOptions, want ...string) {
	w.Helper()
	var got []string
	for info, err := range c.List(w.ctx(), options) {
		if err != nil {
			w.Fatalf("List(%+v): %v", options, err)
		}
		if free := info.Name == "other"; free != (info.State == leasehold.Free) {
			w.Errorf("%q is listed as %s", info.Name, info.State)
		}
		got = append(got, info.Name)
	}
	if !slices.Equal(got, want) {
		w.Errorf("List(%+v): %q, want %q", options, got, want)
	}
}

// clientThousandLocks: one lease, whatever the number of locks.
func clientThousandLocks(w *world) {
	const n, workers = 1000, 10
	c := w.open("owner of many")
	locks := make([]*leasehold.Lock, n)
	each := func(f func(i int)) {
		var wg sync.WaitGroup
		for worker := range workers {
			wg.Go(func() {
				for i := worker; i < n; i += workers {
					f(i)
				}
			})
		}
		wg.Wait()
	}
	each(func(i int) {
		l, err := c.Acquire(w.Context(), fmt.Sprintf("lock/%04d", i))
		if err != nil {
			w.Errorf("Acquire: %v", err)
			return
		}
		locks[i] = l
	})
	if w.Failed() {
		return
	}
	view := w.read(driver.Query{Prefix: "lock/", Limit: n + 1})
	if len(view.Locks) != n || len(view.Leases) != 1 {
		w.Errorf("%d rows and %d leases, want %d and 1", len(view.Locks), len(view.Leases), n)
	}
	if i := slices.IndexFunc(locks, func(l *leasehold.Lock) bool { return !l.Held() }); i >= 0 {
		w.Errorf("lock %d of %d is not held: %v", i, n, context.Cause(locks[i].Context()))
	}
	each(func(i int) {
		if err := locks[i].Close(); err != nil {
			w.Errorf("Close: %v", err)
		}
	})
	for _, row := range w.read(driver.Query{Prefix: "lock/", Limit: n + 1}).Locks {
		if row.Held() {
			w.Fatalf("ghost: %+v", row)
		}
	}
}
