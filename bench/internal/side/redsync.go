package side

import (
	"context"
	"errors"
	"time"

	"github.com/go-redsync/redsync/v4"
	"github.com/go-redsync/redsync/v4/redis/goredis/v9"
	"github.com/redis/go-redis/v9"
)

// Redsync is the library of that name on one Redis, with its defaults.
type Redsync struct {
	client *redis.Client
	rs     *redsync.Redsync
}

// OpenRedsync opens a client with as many connections as there are goroutines. (The
// client's default, ten for each processor, made it slower.)
func OpenRedsync(addr string, goroutines int) *Redsync {
	client := redis.NewClient(&redis.Options{Addr: addr, PoolSize: goroutines})
	return &Redsync{client: client, rs: redsync.New(goredis.NewPool(client))}
}

// Acquire implements Side. It tries until ctx ends: by default redsync gives up after
// 32 tries.
func (r *Redsync) Acquire(ctx context.Context, name string) (func(context.Context) error, error) {
	mutex := r.rs.NewMutex(name, redsync.WithTries(1<<30))
	if err := mutex.LockContext(ctx); err != nil {
		return nil, err
	}
	return func(ctx context.Context) error {
		ok, err := mutex.UnlockContext(ctx)
		if err == nil && !ok {
			err = errors.New("redsync: the lock was not held")
		}
		return err
	}, nil
}

// Close implements Side.
func (r *Redsync) Close() error { return r.client.Close() }

// Keep acquires n names and returns a function that extends the first so many of them
// once, one after the other.
func (r *Redsync) Keep(ctx context.Context, n int) (extend func(ctx context.Context, n int) error, err error) {
	mutexes := make([]*redsync.Mutex, n)
	for i := range mutexes {
		mutexes[i] = r.rs.NewMutex("kept-"+Name(i), redsync.WithExpiry(10*time.Minute))
		if err := mutexes[i].LockContext(ctx); err != nil {
			return nil, err
		}
	}
	return func(ctx context.Context, n int) error {
		for _, mutex := range mutexes[:n] {
			if ok, err := mutex.ExtendContext(ctx); err != nil || !ok {
				return errors.Join(errors.New("redsync: not extended"), err)
			}
		}
		return nil
	}, nil
}
