package sqlite

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
)

// crowd is what the column of that name holds, as JSON: all about those who hold
// together or wait that the plain columns have no room for. It is null if there is nothing.
type crowd struct {
	Limit   int      `json:"limit,omitempty"`   // of the permits
	Members []member `json:"members,omitempty"` // in the order of their grants
	Terms   []terms  `json:"terms,omitempty"`   // of the waiters, in their order; none: the lock alone for each
}

type member struct {
	Lease  id     `json:"lease"`
	Ticket id     `json:"ticket"`
	Fence  uint64 `json:"fence"`
	Since  int64  `json:"since"` // Unix microseconds
	Mark   *mark  `json:"mark,omitempty"`
}

type mark struct {
	By     string `json:"by"`
	Reason string `json:"reason"`
	At     int64  `json:"at"` // Unix microseconds
}

type terms struct {
	Mode    driver.Mode `json:"mode,omitempty"`
	MinHold int64       `json:"min_hold,omitempty"` // milliseconds
}

// id is written as 32 hexadecimal digits.
type id driver.ID

func (i id) MarshalText() ([]byte, error) { return []byte(driver.ID(i).String()), nil }

func (i *id) UnmarshalText(text []byte) error {
	parsed, err := driver.ParseID(string(text))
	*i = id(parsed)
	return err
}

// crowdOf returns the column for a row; nil for most.
func crowdOf(l *driver.Lock) []byte {
	c := crowd{Limit: l.Limit}
	for _, g := range l.Members {
		m := member{Lease: id(g.Lease), Ticket: id(g.Ticket), Fence: g.Fence, Since: g.Since.UnixMicro()}
		if g.Mark != nil {
			m.Mark = &mark{By: g.Mark.By, Reason: g.Mark.Reason, At: g.Mark.At.UnixMicro()}
		}
		c.Members = append(c.Members, m)
	}
	if slices.ContainsFunc(l.Queue, func(w driver.Waiter) bool { return w.Terms != driver.Terms{} }) {
		for _, w := range l.Queue {
			c.Terms = append(c.Terms, terms{Mode: w.Terms.Mode, MinHold: w.Terms.MinHold.Milliseconds()})
		}
	}
	if c.Limit == 0 && c.Members == nil && c.Terms == nil {
		return nil
	}
	text, _ := json.Marshal(c) // of numbers and strings: it cannot fail
	return text
}

// join adds the crowd to a row that has its queue already. It says what is damaged, or
// nothing.
func (t *tx) join(l *driver.Lock, text []byte) string {
	var c crowd
	if err := json.Unmarshal(text, &c); err != nil {
		return "the crowd"
	}
	l.Limit = c.Limit
	for _, m := range c.Members {
		g := driver.Grant{
			Place: driver.Place{Lease: driver.ID(m.Lease), Ticket: driver.ID(m.Ticket)},
			Fence: m.Fence, Since: time.UnixMicro(m.Since),
		}
		g.Age = t.age(g.Since)
		if m.Mark != nil {
			at := time.UnixMicro(m.Mark.At)
			g.Mark = &driver.Mark{By: m.Mark.By, Reason: m.Mark.Reason, At: at, Age: t.age(at)}
		}
		l.Members = append(l.Members, g)
	}
	if c.Terms != nil && len(c.Terms) != len(l.Queue) {
		return "the terms"
	}
	for i, w := range c.Terms {
		l.Queue[i].Terms = driver.Terms{Mode: w.Mode, MinHold: time.Duration(w.MinHold) * time.Millisecond}
		if w.Mode == driver.Permit {
			l.Queue[i].Terms.Limit = c.Limit
		}
	}
	return crowdDamage(l)
}

// crowdDamage says which invariant of a row with a crowd is broken, or nothing.
func crowdDamage(l *driver.Lock) string {
	alone := !l.Holder.Ticket.IsZero()
	last := uint64(0)
	for _, g := range l.Members {
		if alone || g.Fence <= last || g.Fence > l.Fence || g.Ticket.IsZero() {
			return "the members"
		}
		last = g.Fence
	}
	if l.Limit < 0 || l.Limit > driver.MaxLimit || l.Limit > 0 && (alone || len(l.Members) > l.Limit) {
		return "the limit"
	}
	for _, w := range l.Queue {
		known := w.Terms.Mode >= driver.Exclusive && w.Terms.Mode <= driver.Permit
		if !known || w.Terms.MinHold < 0 || (w.Terms.Mode == driver.Permit) != (l.Limit > 0) {
			return "the terms"
		}
	}
	return ""
}
