package leasehold

import (
	"context"
	"sync/atomic"
	"time"
)

// callLimit bounds the calls to the store. A context with a timeout for each call would
// cost more than all else that the client does for it; so those that begin within one
// eighth of the timeout share one, and get seven eighths of it at least.
type callLimit struct{ current atomic.Pointer[sharedContext] }

type sharedContext struct {
	context.Context
	cancel context.CancelFunc
}

// callContext returns the context for a call that is made on nobody's behalf: the end of
// a caller's context must not cost the connection that others use too.
func (c *Client) callContext() context.Context {
	if shared := c.limit.current.Load(); shared != nil {
		return shared.Context
	}
	ctx, cancel := context.WithTimeout(context.Background(), c.callTimeout())
	shared := &sharedContext{ctx, cancel}
	if !c.limit.current.CompareAndSwap(nil, shared) {
		cancel()
		return c.callContext()
	}
	time.AfterFunc(c.callTimeout()/8, func() { c.limit.current.CompareAndSwap(shared, nil) })
	return ctx
}

// end ends the calls that are still in flight.
func (l *callLimit) end() {
	if shared := l.current.Load(); shared != nil {
		shared.cancel()
	}
}
