// Package leasehold gives many processes on many hosts turns, through the
// database they already use: one worker per customer, one run per cron job, one
// leader.
//
// # What it does not promise
//
// A lock does not stop code. When a lock is lost its context ends, on time
// whatever hangs; work that does not watch the context goes on beside the next
// holder. What must not be touched by two is protected by a guard (a check
// inside your own transaction on the same database) or by the fence (a number
// that rises with each grant, for the resource to compare).
//
// Clocks of different machines are never compared, but rates are trusted: a
// clock that runs more than half a percent too slow, or a virtual machine paused
// together with all its clocks, makes a holder believe for too long.
//
// Two primaries alive at once (split brain) give two holders. Waiting for one
// lock while holding another can deadlock; the context bounds it.
//
// # What it promises
//
// At most one holder per name in the database. A holder stops believing
// ([Lock.Held], [Lock.Context]) before anybody else can be granted the lock. Fences
// rise for ever. Waiters are served first come, first served; a dead one
// delays the others by one TTL at most. An attempt that was cancelled, or whose
// reply was lost, leaves nothing behind.
//
// # Use
//
//	client, err := leasehold.Open(ctx, postgres.New(pool, postgres.Config{}), leasehold.Config{})
//	...
//	defer client.Close()
//
//	err = client.Do(ctx, "campaign/42", func(ctx context.Context, lock *leasehold.Lock) error {
//		return work(ctx, lock.Fence())
//	})
//
// Options of an acquisition: [Shared] and [Permits] let several hold a name at once, [MinHold]
// keeps it taken after a short job, [FixedTTL] bounds how long it is held, [Data] shows
// something to others. [Client.AcquireAll] takes several locks.
//
// A client keeps one lease alive with one small write every TTL/3, however many
// locks it holds; while it holds and awaits nothing it writes nothing.
package leasehold
