package advisory

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

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
	others, err := s.others(ctx, unknown)
	if err != nil {
		return driver.View{}, err
	}
	t.merge(&v, q, others)
	return v, nil
}

// own reads the rows of the process. unknown are the keys that are not its own.
func (t *Table) own(q driver.Query) (v driver.View, unknown []int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	v = driver.View{Epoch: epoch, Leases: map[driver.ID]driver.LeaseState{}}
	for _, name := range t.match(q) {
		r := t.rows[name]
		if r == nil || !r.shown() {
			if len(q.Names) > 0 {
				unknown = append(unknown, Key(t.cfg.Namespace, name))
			}
			continue
		}
		if r.isForeign() {
			unknown = append(unknown, r.key)
			v.Leases[r.lock.Holder.Lease] = someone(r.key)
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
func (t *Table) merge(v *driver.View, q driver.Query, others []other) {
	for _, o := range others {
		place := foreigner(o.key)
		if _, seen := v.Leases[place.Lease]; !seen || v.Leases[place.Lease].Owner == someone(o.key).Owner {
			v.Leases[place.Lease] = o.state
		}
		i := slices.IndexFunc(v.Locks, func(l driver.Lock) bool { return Key(t.cfg.Namespace, l.Name) == o.key })
		switch {
		case i < 0:
			n := slices.IndexFunc(q.Names, func(name string) bool { return Key(t.cfg.Namespace, name) == o.key })
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

// other is another session that has a key.
type other struct {
	key       int64
	exclusive bool
	state     driver.LeaseState
}

// lock returns the row of a name that only the other session holds. Its fence is not
// known.
func (o other) lock(name string) driver.Lock {
	l := driver.Lock{Name: name}
	if p := foreigner(o.key); o.exclusive {
		l.Holder = p
	} else {
		l.Members = []driver.Grant{{Place: p}}
	}
	return l
}

// someone is the lease of a session of which nothing else is known.
func someone(key int64) driver.LeaseState {
	return driver.LeaseState{
		Lease: driver.Lease{ID: foreigner(key).Lease, TTL: time.Minute, Owner: "another session"},
		Beat:  1, Liveness: driver.Alive,
	}
}

// others looks which other sessions have the keys.
func (s *Session) others(ctx context.Context, keys []int64) ([]other, error) {
	var found []other
	u := &unit{statement: othersName, params: [][]byte{int8Array(keys)}, row: func(values [][]byte) {
		found = append(found, readOther(values))
	}}
	if err := s.exchange(ctx, u); err != nil {
		return nil, err
	}
	return found, u.err
}

func readOther(values [][]byte) other {
	o := other{key: int64(binary.BigEndian.Uint64(values[0])), exclusive: values[1][0] != 0}
	o.state = someone(o.key)
	app := string(values[3])
	o.state.Owner = strings.TrimSpace(fmt.Sprintf("%s (server process %d)", app, binary.BigEndian.Uint32(values[2])))
	o.state.Info = driver.Info{Host: string(values[4]), App: app}
	o.state.Age = time.Duration(math.Float64frombits(binary.BigEndian.Uint64(values[5])) * float64(time.Second))
	return o
}
