package coalesce

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// flow is a Queue whose Run makes up to two batches at a time, each in a step, one after the
// other, and tells of each when it is made; but for those that are to be left over.
type flow struct {
	*Queue[*request]
	t       *testing.T
	sizes   []int
	over    map[int]bool // by id
	running []string
}

func newFlow(t *testing.T, over ...int) *flow {
	f := &flow{t: t, over: map[int]bool{}}
	for _, id := range over {
		f.over[id] = true
	}
	f.Queue = New(Config[*request]{
		Run:      f.run,
		Name:     func(r *request) string { return r.name },
		Together: func(a, b *request) bool { return a.kind == b.kind },
		Most:     1000,
		Flow:     4,
	})
	return f
}

func (f *flow) run(_ context.Context, batch []*request) (again []*request) {
	batches := [][]*request{f.begin(batch)}
	for len(batches) > 0 {
		if more := f.Take(); len(more) > 0 {
			batches = append(batches, f.begin(more))
		}
		time.Sleep(step)
		made := batches[0]
		batches = batches[1:]
		f.Made(func(r *request) bool { return slices.Contains(made, r) && !f.over[r.id] })
		for _, r := range made {
			if f.over[r.id] {
				again = append(again, r)
				delete(f.over, r.id)
				continue
			}
			f.running = slices.DeleteFunc(f.running, func(name string) bool { return name == r.name })
		}
	}
	for _, r := range again {
		f.running = slices.DeleteFunc(f.running, func(name string) bool { return name == r.name })
	}
	return again
}

func (f *flow) begin(batch []*request) []*request {
	f.sizes = append(f.sizes, len(batch))
	for _, r := range batch {
		if slices.Contains(f.running, r.name) {
			f.t.Errorf("two calls of %q are in progress", r.name)
		}
		f.running = append(f.running, r.name)
		r.made++
	}
	return batch
}

// ask makes calls, the first of which is alone, and returns when they have ended and what
// each took.
func (f *flow) ask(names []string, kind func(i int) string) (took []time.Duration) {
	took = make([]time.Duration, len(names))
	start := time.Now()
	done := make(chan int)
	for i, name := range names {
		f.Start(f.t.Context(), &request{name: name, id: i, kind: kind(i)}, func(err error) {
			if took[i] = time.Since(start); err != nil {
				f.t.Errorf("call %d: %v", i, err)
			}
			go func() { done <- i }()
		})
		if i == 0 {
			synctest.Wait()
		}
	}
	for range names {
		<-done
	}
	time.Sleep(linger + time.Millisecond)
	return took
}

func distinct(n int) (names []string) {
	for i := range n {
		names = append(names, fmt.Sprint("name ", i))
	}
	return names
}

func same(int) string { return "" }

// Many calls are three parts of a stream: the callers of one are told while the next is in
// progress, and one after that has been taken.
func TestFlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFlow(t)
		took := f.ask(distinct(31), same)
		if want := []int{1, 10, 10, 10}; !slices.Equal(f.sizes, want) {
			t.Errorf("batches of %v, want %v", f.sizes, want)
		}
		if took[0] != step || took[1] != 2*step || took[11] != 3*step || took[30] != 4*step {
			t.Errorf("the callers were told after %v", took)
		}
	})
}

// Few calls are one batch.
func TestFlowOfFew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFlow(t)
		f.ask(distinct(5), same)
		if want := []int{1, 4}; !slices.Equal(f.sizes, want) {
			t.Errorf("batches of %v, want %v", f.sizes, want)
		}
	})
}

// What a stream has left over is made again, in its turn, and its name is taken until then.
func TestFlowLeavesOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFlow(t, 1, 2)
		names := distinct(30)
		names = append(names, names[1], names[2], names[3])
		took := f.ask(names, same)
		if took[1] <= took[3] || took[30] <= took[1] || took[31] <= took[2] {
			t.Errorf("the callers were told after %v", took)
		}
	})
}

// Calls that cannot be together are in no stream together.
func TestFlowOfKinds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFlow(t)
		kinds := map[bool]string{true: "even", false: "odd"}
		took := f.ask(distinct(41), func(i int) string { return kinds[i%2 == 0] })
		slices.Sort(took)
		if last := took[40]; last < 5*step {
			t.Errorf("all were made within %v", last)
		}
	})
}
