package keyed

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/clock"
)

// view reads rows: those of the process, and, of the names asked for by name, who else
// holds them.
func (t *Table) view(ctx context.Context, q driver.Query) (driver.View, error) {
	v, unknown := t.own(q)
	if len(unknown) == 0 {
		return v, nil
	}
	s, err := t.open(ctx)
	if err != nil {
		return driver.View{}, err
	}
	others, err := s.Others(ctx, unknown)
	if err != nil {
		return driver.View{}, err
	}
	t.merge(&v, q, others)
	return v, nil
}

// own reads the rows of the process. unknown are the keys that are not its own.
func (t *Table) own(q driver.Query) (v driver.View, unknown []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	v = driver.View{Epoch: epoch, Leases: map[driver.ID]driver.LeaseState{}}
	for _, name := range t.match(q) {
		r := t.rows[name]
		if r == nil || !r.shown() {
			if len(q.Names) > 0 {
				unknown = append(unknown, t.cfg.Key(name))
			}
			continue
		}
		if r.isForeign() {
			unknown = append(unknown, r.key)
			v.Leases[r.lock.Holder.Lease] = someone(r.foreign)
		} else if !r.lock.Held() && len(q.Names) > 0 {
			unknown = append(unknown, r.key)
		}
		v.Locks = append(v.Locks, snapshot(&r.lock))
		for p := range r.lock.Places() {
			if l := t.leases[p.Lease]; l != nil {
				v.Leases[p.Lease] = driver.LeaseState{Lease: l.Lease, Beat: l.beat, Age: clock.Since(l.renewed)}
			}
		}
	}
	return v, unknown
}

// match returns the names that the query asks for, in order.
func (t *Table) match(q driver.Query) []string {
	if len(q.Names) > 0 {
		return q.Names
	}
	var names []string
	for name, r := range t.rows {
		switch {
		case !r.shown():
		case !q.Lease.IsZero():
			if r.lock.Names(q.Lease) {
				names = append(names, name)
			}
		case name > q.After && strings.HasPrefix(name, q.Prefix):
			names = append(names, name)
		}
	}
	slices.Sort(names)
	if q.Lease.IsZero() && len(names) > q.Limit {
		names = names[:q.Limit]
	}
	return names
}

// merge adds to the view the sessions that hold what the process does not.
func (t *Table) merge(v *driver.View, q driver.Query, others []Other) {
	for _, o := range others {
		place := foreigner(o.Key)
		if l, seen := v.Leases[place.Lease]; !seen || l.Owner == Someone().Owner {
			o.State.ID = place.Lease
			v.Leases[place.Lease] = o.State
		}
		i := slices.IndexFunc(v.Locks, func(l driver.Lock) bool { return t.cfg.Key(l.Name) == o.Key })
		switch {
		case i < 0:
			n := slices.IndexFunc(q.Names, func(name string) bool { return t.cfg.Key(name) == o.Key })
			if n >= 0 {
				v.Locks = append(v.Locks, o.lock(q.Names[n]))
			}
		case !v.Locks[i].Held():
			found := o.lock(v.Locks[i].Name)
			found.Fence = v.Locks[i].Fence
			v.Locks[i] = found
		}
	}
}

// lock returns the row of a name that only the other session holds. Its fence is not
// known.
func (o Other) lock(name string) driver.Lock {
	l := driver.Lock{Name: name}
	if p := foreigner(o.Key); o.Shared {
		l.Members = []driver.Grant{{Place: p}}
	} else {
		l.Holder = p
	}
	return l
}

// someone is the lease of a session of which nothing else is known.
func someone(p driver.Place) driver.LeaseState {
	l := Someone()
	l.ID = p.Lease
	return l
}

// AddTo adds what the session has to a view, under a name. Sessions that share a lock are added
// one after the other.
func (o Other) AddTo(v *driver.View, name string) {
	p := foreigner(fmt.Sprint(o.Key, " ", o.State.Owner))
	o.State.ID = p.Lease
	v.Leases[p.Lease] = o.State
	if n := len(v.Locks); o.Shared && n > 0 && v.Locks[n-1].Name == name {
		v.Locks[n-1].Members = append(v.Locks[n-1].Members, driver.Grant{Place: p})
		return
	}
	l := driver.Lock{Name: name}
	if o.Shared {
		l.Members = []driver.Grant{{Place: p}}
	} else {
		l.Holder = p
	}
	v.Locks = append(v.Locks, l)
}
