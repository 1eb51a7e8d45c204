package reply_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/leaseholdgo/leasehold/internal/reply"
)

func TestAwaitReturnsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		stuck, late := make(chan struct{}), make(chan int, 1)
		start := time.Now()
		n, err := reply.Await(ctx, func() (int, error) { <-stuck; return 1, nil }, func(n int, _ error) { late <- n })
		if n != 0 || !errors.Is(err, reply.ErrNone) || !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("%d, %v after %v", n, err, time.Since(start))
		}
		close(stuck)
		if n := <-late; n != 1 {
			t.Errorf("the late reply: %d", n)
		}
	})
}

func TestAwaitReturnsTheReply(t *testing.T) {
	t.Parallel()
	want := errors.New("of the call")
	n, err := reply.Await(t.Context(), func() (int, error) { return 1, want }, func(int, error) { t.Error("it was not late") })
	if n != 1 || err != want {
		t.Errorf("%d, %v", n, err)
	}
}

type coded string

func (c coded) Error() string    { return "refused" }
func (c coded) SQLState() string { return string(c) }

func TestRefusals(t *testing.T) {
	t.Parallel()
	for err, want := range map[error]bool{
		fmt.Errorf("wrapped: %w", coded("40001")): true,
		coded("23505"):                   true,
		coded("57014"):                   true, // cancelled
		coded("57P01"):                   false,
		coded("08006"):                   false,
		coded("?"):                       false,
		errors.New("connection reset"):   false,
		context.DeadlineExceeded:         false,
		error(nil):                       false,
		fmt.Errorf("%w", coded("57P03")): false,
	} {
		if reply.Refused(err) != want {
			t.Errorf("%v (%s): %v", err, reply.State(err), !want)
		}
	}
}
