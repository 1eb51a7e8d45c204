// Package memory is a store that lives in the process: the reference model of
// every other store, and what users test their own code with.
//
// It protects nothing beyond the process, and forgets everything when the
// process ends.
//
// It starts no goroutine and reads time only through package time, so it works
// in testing/synctest bubbles: make the Store inside the bubble, and leases
// expire in virtual time. It can be made to fail on command:
//
//	store := memory.New()
//	client, err := leasehold.Open(ctx, store, leasehold.Config{})
//	...
//	store.Lose("campaign/42") // the holder loses the lock, as if its row had gone
//	store.Down(true)          // every call fails
//	store.Hang(true)          // every call hangs until its context ends
//
// One Store serves any number of clients, which exclude each other.
package memory
