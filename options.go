package leasehold

import (
	"fmt"
	"slices"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
)

// Option changes one acquisition. One that cannot be used as it is, or together with
// another one, makes the acquisition fail with ErrInvalid; one that the store does not
// offer, with ErrUnsupported.
type Option func(*options)

// options are those of one acquisition; nil: none.
type options struct {
	driver.Terms
	fixed time.Duration // 0: the client's lease is used
	data  []byte
	sets  bool // Data was given
	keep  bool
	wrong error // the first option that cannot be used

	fenced bool // Fenced was given
}

// MaxPermits is the largest number of permits.
const MaxPermits = driver.MaxLimit

// MaxData is the greatest length of data in bytes: 1 MiB.
const MaxData = 1 << 20

// Shared makes the lock one that any number may hold at once, if all hold it shared: for
// readers, beside whom no writer may be, who acquires it without Shared.
//
// Neither side starves: nobody is granted the lock past one who waits. So a reader that
// comes after a waiting writer waits too, and then all readers that stand one after
// the other in the database's queue are granted it together. Every holder has a fence of
// its own, each larger than those granted before.
//
// One client may hold a name shared any number of times. A holder that acquires it once
// more while a writer waits, and before it has released, waits for the writer, who waits
// for it: a deadlock that ctx bounds.
func Shared() Option {
	return func(o *options) { o.use(driver.Terms{Mode: driver.Shared}) }
}

// Permits makes the name one that n may hold at once: a semaphore. n is from 1 to
// MaxPermits, and 1 is not the same as a plain lock.
//
// The limit is stored while the name is in use, and whoever comes with another limit, or
// without one, gets a *ModeError: otherwise two programs that disagree would each break
// the other's bound. To change it, change it everywhere, and let the name fall
// free for a moment.
//
// Guards do not work with permits: ErrUnsupported. Every permit has its own fence.
func Permits(n int) Option {
	return func(o *options) {
		if n < 1 || n > MaxPermits {
			o.reject("permits %d: from 1 to %d can be had", n, MaxPermits)
		}
		o.use(driver.Terms{Mode: driver.Permit, Limit: n})
	}
}

// MinHold keeps the name taken for at least d after the grant, by the database's clock,
// even if the lock is released, lost, or its process dies: for jobs that many hosts start
// at the same time by clocks that differ, of which only the first is to run. Choose d
// longer than the clocks differ.
//
// Release returns at once all the same, and so does Close; nobody is granted the name
// before d has passed. Waiters are served then; a try gets a *HeldError with Kept set.
// Revoke, under the fence of the last grant, ends the keeping. It does not bound how
// long the lock is held. Whole milliseconds; not with Shared or Permits. After the
// failover of an asynchronous replica that lacks the grant it is not kept.
func MinHold(d time.Duration) Option {
	return func(o *options) {
		if d <= 0 || d%time.Millisecond != 0 {
			o.reject("minimum hold %v: use whole milliseconds, at least one", d)
		}
		o.MinHold = d
	}
}

// FixedTTL holds the lock for d after the grant and not longer, unless Extend is called:
// it is not kept alive by itself. For work that must not outlast a bound even though its
// process lives on, and for holders that cannot renew for long.
//
// The trust deadline comes d, less a margin, after the last renewal; at it the lock
// is lost, with ErrExpired, as ever. d is at least MinTTL, in whole milliseconds, and
// may exceed the cap on TTLs that is stored with the database: then a
// failover to an asynchronous replica that lacks the grant may lead to two holders,
// since the pause in granting is as long as the cap. A dead holder is replaced after d,
// and one that dies while it waits delays the others by as much.
//
// The lock has a lease of its own, which is kept alive while it waits: one write more to
// make it, one when the lock is granted so that the whole of d is there, and one to
// delete it. It is not listened for: its turn is noticed within a tenth of a second, and
// its holder learns of a revocation when it calls Extend.
func FixedTTL(d time.Duration) Option {
	return func(o *options) {
		if d < MinTTL || d%time.Millisecond != 0 {
			o.reject("fixed TTL %v: use whole milliseconds, at least %v", d, MinTTL)
		}
		o.fixed = d
	}
}

// Data stores b, at most MaxData, with the lock, for all to see (Lock.Data, Info.Data):
// right after the grant, before the acquisition returns. One write more. It is cleared
// when the last holder releases or loses the lock, unless KeepData is given. An empty
// b clears what is stored.
func Data(b []byte) Option {
	return func(o *options) {
		if len(b) > MaxData {
			o.reject("data: %d bytes, the most is %d", len(b), MaxData)
		}
		o.data, o.sets = slices.Clone(b), true
	}
}

// KeepData lets the data that this lock stores, by Data or SetData, outlive it: until a
// later holder stores other data. So a job can leave for the next how far it came.
func KeepData() Option { return func(o *options) { o.keep = true } }

// Fenced makes the acquisition fail with ErrUnsupported where the store gives no fences.
// All stores do but session stores that were told not to.
func Fenced() Option { return func(o *options) { o.fenced = true } }

// use sets how the lock is held.
func (o *options) use(t driver.Terms) {
	if o.Mode != driver.Exclusive && (o.Mode != t.Mode || o.Limit != t.Limit) {
		o.reject("options: a lock cannot be held in two ways at once")
	}
	o.Mode, o.Limit = t.Mode, t.Limit
}

func (o *options) reject(format string, args ...any) {
	if o.wrong == nil {
		o.wrong = fmt.Errorf("%w "+format, append([]any{ErrInvalid}, args...)...)
	}
}

// gather applies the options, for a store of which conn is one connection.
func gather(opts []Option, conn driver.Conn) (*options, error) {
	if len(opts) == 0 {
		return nil, nil
	}
	o := &options{}
	for _, opt := range opts {
		opt(o)
	}
	if o.MinHold != 0 && o.Mode != driver.Exclusive {
		o.reject("options: a minimum hold is for a lock that one holds alone")
	}
	if _, ok := conn.(driver.DataKeeper); o.wrong == nil && (o.sets || o.keep) && !ok {
		return nil, fmt.Errorf("data: %w", ErrUnsupported)
	}
	if _, none := conn.(driver.Fenceless); o.wrong == nil && o.fenced && none {
		return nil, fmt.Errorf("fences: %w", ErrUnsupported)
	}
	return o, o.wrong
}

// terms are what the store is asked for.
func (o *options) terms() driver.Terms {
	if o == nil {
		return driver.Terms{}
	}
	return o.Terms
}

// ttl is that of the lease of the acquisition's own; 0: it has none.
func (o *options) ttl() time.Duration {
	if o == nil {
		return 0
	}
	return o.fixed
}
