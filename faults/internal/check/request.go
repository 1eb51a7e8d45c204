package check

import (
	"context"
	"time"

	"github.com/leaseholdgo/leasehold/faults/internal/history"
)

// request is an acquisition that is known to have been in the queue from the instant
// queued until the instant left, or until it was granted.
type request struct {
	key
	history.Terms
	name   string
	called time.Duration
	queued time.Duration
	until  time.Duration // it is not given up before
	left   time.Duration
	grant  *grant // nil if it was not granted
}

// queuedRequests returns, by name, the acquisitions that are sure to have kept their
// place in the queue: they, or their clients' other acquisitions before and after
// them, were granted locks under one and the same lease, which so lived all the time;
// and a place is lost with its lease only. (A request with a TTL of its own has a lease of
// its own, which is known only if it is granted, and never from before: it is left out.)
//
// Exceptions: a failover may lose the queue; a grant that the client was not told of
// may be revoked. The client then asks again, and has a new place. Requests that
// such a thing may have happened to are left out, and so are those that nobody
// recorded the end of, or that ended before their time.
func queuedRequests(events []history.Event, grants map[string][]*grant) map[string][]*request {
	all := inQueue(events, grants)
	leases := lifespans(grants)
	lost := promoted(events, func(history.Event) bool { return true })
	revoked := unseen(events, grants)
	byName := map[string][]*request{}
	for _, r := range all {
		if r.left <= r.queued || !leases.steady(r) || lost.within(r.called, r.left) || revoked.within(r) {
			continue
		}
		byName[r.name] = append(byName[r.name], r)
	}
	return byName
}

// inQueue returns the acquisitions that were seen in the queue, with the last
// instant at which they had entered it.
func inQueue(events []history.Event, grants map[string][]*grant) map[key]*request {
	granted := map[key]*grant{}
	for _, list := range grants {
		for _, g := range list {
			granted[g.key] = g
		}
	}
	closing := map[string]time.Duration{}
	called, all := map[key]history.Event{}, map[key]*request{}
	for _, e := range events {
		k := key{e.Client, e.Op}
		switch e.Kind {
		case history.Called:
			called[k] = e
		case history.Closing:
			closing[e.Client] = e.At
		case history.Queued:
			c := called[k]
			all[k] = &request{key: k, Terms: c.Terms, name: e.Name, called: c.At, queued: e.At, until: c.Until, grant: granted[k]}
			if g := granted[k]; g != nil {
				all[k].left = g.granted
			}
		case history.Refused:
			r := all[k]
			if r != nil && e.At >= r.until && e.Detail != context.Canceled.Error() {
				r.left = min(r.until, before(closing, e.Client))
			}
		}
	}
	return all
}

// span is the time for which a lease is known to have lived.
type span struct{ from, to time.Duration }

// spans are those of the leases of each client.
type spans map[string]map[string]*span

func lifespans(grants map[string][]*grant) spans {
	s := spans{}
	for _, list := range grants {
		for _, g := range list {
			if g.lease == "" {
				continue
			}
			if s[g.client] == nil {
				s[g.client] = map[string]*span{}
			}
			l := s[g.client][g.lease]
			if l == nil {
				l = &span{from: g.granted, to: g.called}
				s[g.client][g.lease] = l
			}
			l.from, l.to = min(l.from, g.granted), max(l.to, g.called)
		}
	}
	return s
}

// steady reports whether one lease lived from before the call of r until it had left
// the queue.
func (s spans) steady(r *request) bool {
	if r.TTL != 0 {
		return false
	}
	for id, l := range s[r.client] {
		if l.from <= r.called && (r.grant == nil && r.left <= l.to || r.grant != nil && r.grant.lease == id) {
			return true
		}
	}
	return false
}

// marks are the instants, by name, at which grants were revoked that no client was
// told of.
type marks map[string][]time.Duration

func unseen(events []history.Event, grants map[string][]*grant) marks {
	m := marks{}
	type one struct {
		name  string
		fence uint64
	}
	seen := map[one]bool{}
	for name, list := range grants {
		for _, g := range list {
			seen[one{name, g.fence}] = true
		}
	}
	for _, e := range events {
		if e.Kind == history.Revoking && !seen[one{e.Name, e.Fence}] {
			m[e.Name] = append(m[e.Name], e.At)
		}
	}
	return m
}

func (m marks) within(r *request) bool {
	for _, at := range m[r.name] {
		if r.called <= at && at <= r.left {
			return true
		}
	}
	return false
}
