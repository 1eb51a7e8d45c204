package leasehold_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/memory"
)

// client is for examples: a real program opens one for its database, and handles errors.
func client() *leasehold.Client {
	client, err := leasehold.Open(context.Background(), memory.New(), leasehold.Config{Owner: "example"})
	if err != nil {
		panic(err)
	}
	return client
}

func ExampleClient_Do() {
	ctx, client := context.Background(), client()
	defer client.Close()

	err := client.Do(ctx, "campaign/42", func(ctx context.Context, lock *leasehold.Lock) error {
		fmt.Println("sending, fence is set:", lock.Fence() != 0)
		return nil
	})
	fmt.Println(err)
	// Output:
	// sending, fence is set: true
	// <nil>
}

func ExampleClient_TryAcquire() {
	ctx, client := context.Background(), client()
	defer client.Close()

	lock, err := client.TryAcquire(ctx, "nightly")
	if err != nil {
		return // somebody else runs it
	}
	defer lock.Close()

	_, err = client.TryAcquire(ctx, "nightly")
	var held *leasehold.HeldError
	if errors.As(err, &held) {
		fmt.Println("held by", held.Holder.Owner)
	}
	// Output: held by example
}

// Readers share, a writer is alone.
func ExampleShared() {
	ctx, client := context.Background(), client()
	defer client.Close()

	first, _ := client.Acquire(ctx, "index", leasehold.Shared())
	second, _ := client.Acquire(ctx, "index", leasehold.Shared())
	_, err := client.TryAcquire(ctx, "index") // to write
	fmt.Println(errors.Is(err, leasehold.ErrHeld))
	first.Close()
	second.Close()

	writer, err := client.TryAcquire(ctx, "index")
	fmt.Println(writer.Held(), err)
	// Output:
	// true
	// true <nil>
}

// At most two at once use the slow service, over all hosts.
func ExamplePermits() {
	ctx, client := context.Background(), client()
	defer client.Close()

	for range 2 {
		permit, _ := client.Acquire(ctx, "slow-service", leasehold.Permits(2))
		defer permit.Close()
	}
	_, err := client.TryAcquire(ctx, "slow-service", leasehold.Permits(2))
	fmt.Println(errors.Is(err, leasehold.ErrHeld))

	_, err = client.TryAcquire(ctx, "slow-service", leasehold.Permits(5)) // a program that was not updated
	var mode *leasehold.ModeError
	if errors.As(err, &mode) {
		fmt.Println("the limit is", mode.Limit)
	}
	// Output:
	// true
	// the limit is 2
}

// A transfer needs both accounts. Another in the opposite direction cannot deadlock with it.
func ExampleClient_AcquireAll() {
	ctx, client := context.Background(), client()
	defer client.Close()

	locks, err := client.AcquireAll(ctx, []string{"account/7", "account/3"})
	if err != nil {
		return // none is held
	}
	for _, lock := range locks {
		fmt.Println(lock.Name(), lock.Held())
		defer lock.Close()
	}
	// Output:
	// account/7 true
	// account/3 true
}

// Every host starts this at midnight by its own clock. Only one run must come of it,
// however short it is.
func ExampleMinHold() {
	ctx, client := context.Background(), client()
	defer client.Close()

	nightly := func() error {
		return client.TryDo(ctx, "nightly", func(context.Context, *leasehold.Lock) error {
			fmt.Println("running")
			return nil
		}, leasehold.MinHold(10*time.Minute))
	}
	fmt.Println(nightly())
	fmt.Println(errors.Is(nightly(), leasehold.ErrHeld)) // another host, a little later
	// Output:
	// running
	// <nil>
	// true
}

// The lock is lost a minute after each step at the latest, though the process lives on:
// a step that hangs does not keep the others waiting for ever.
func ExampleFixedTTL() {
	ctx, client := context.Background(), client()
	defer client.Close()

	lock, err := client.Acquire(ctx, "import", leasehold.FixedTTL(time.Minute))
	if err != nil {
		return
	}
	defer lock.Close()
	for step := range 3 {
		fmt.Println("step", step)
		if err := lock.Extend(ctx); err != nil {
			return // it is lost
		}
	}
	// Output:
	// step 0
	// step 1
	// step 2
}

// Each run leaves for the next how far it came.
func ExampleKeepData() {
	ctx, client := context.Background(), client()
	defer client.Close()

	for range 3 {
		lock, err := client.Acquire(ctx, "export", leasehold.KeepData())
		if err != nil {
			return
		}
		done, _ := lock.Data(ctx)
		fmt.Printf("done so far: %q\n", done)
		lock.SetData(ctx, append(done, '#'))
		lock.Close()
	}
	// Output:
	// done so far: ""
	// done so far: "#"
	// done so far: "##"
}

// Who waits can see where the holder runs, and what it does.
func ExampleData() {
	ctx, client := context.Background(), client()
	defer client.Close()

	lock, err := client.Acquire(ctx, "migration", leasehold.Data([]byte("http://10.0.0.7:8080/progress")))
	if err != nil {
		return
	}
	defer lock.Close()
	info, _ := client.Get(ctx, "migration")
	fmt.Printf("%s by %s: %s\n", info.State, info.Holder.Owner, info.Data)
	// Output: held by example: http://10.0.0.7:8080/progress
}
