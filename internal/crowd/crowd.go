// Package crowd writes and reads what the row of a lock holds that is not plain (see
// driver.Lock.Plain), as one JSON text: the members, the terms of those who wait, and
// more. Stores that keep rows in tables have a column for it, which is null for most.
package crowd

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
)

// Text says how a store writes the text. Reading understands every form.
type Text struct {
	// ID returns an id as the store's own statements look for it. Nil: as driver.ID's
	// String does.
	ID func(driver.ID) string
	// Apart: the store has other columns for the end of the minimum hold and for whether
	// data is to be kept.
	Apart bool
}

type crowd struct {
	Limit   int      `json:"limit,omitempty"`   // of the permits
	Members []member `json:"members,omitempty"` // in the order of their grants
	// Terms are those of the queue, place by place; none if all want the lock alone.
	Terms     []terms `json:"terms,omitempty"`
	KeptUntil int64   `json:"kept_until,omitempty"` // Unix microseconds
	KeepData  bool    `json:"keep_data,omitempty"`
}

type member struct {
	Lease  id     `json:"lease"`
	Ticket id     `json:"ticket"`
	Fence  uint64 `json:"fence"`
	Since  int64  `json:"since"` // Unix microseconds
	Mark   *mark  `json:"mark,omitempty"`
}

// id is an id in the store's own form.
type id string

// UnmarshalText accepts every form.
func (i *id) UnmarshalText(text []byte) error {
	parsed, err := driver.ParseID(strings.ReplaceAll(string(text), "-", ""))
	*i = id(parsed[:])
	return err
}

// parsed returns the id that was read.
func (i id) parsed() (parsed driver.ID) {
	copy(parsed[:], i)
	return parsed
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

// Encode returns the text for a row; nil if there is nothing to say.
func (t Text) Encode(l *driver.Lock) []byte {
	c := crowd{Limit: l.Limit}
	for _, g := range l.Members {
		c.Members = append(c.Members, t.member(g))
	}
	if slices.ContainsFunc(l.Queue, func(w driver.Waiter) bool { return w.Terms != driver.Terms{} }) {
		for _, w := range l.Queue {
			c.Terms = append(c.Terms, terms{Mode: w.Terms.Mode, MinHold: w.Terms.MinHold.Milliseconds()})
		}
	}
	if !t.Apart {
		c.KeepData = l.KeepData
		if !l.KeptUntil.IsZero() {
			c.KeptUntil = l.KeptUntil.UnixMicro()
		}
	}
	if c.Limit == 0 && c.Members == nil && c.Terms == nil && c.KeptUntil == 0 && !c.KeepData {
		return nil
	}
	text, _ := json.Marshal(c) // of numbers and strings: it cannot fail
	return text
}

func (t Text) member(g driver.Grant) member {
	write := t.ID
	if write == nil {
		write = driver.ID.String
	}
	m := member{Lease: id(write(g.Lease)), Ticket: id(write(g.Ticket)), Fence: g.Fence, Since: g.Since.UnixMicro()}
	if g.Mark != nil {
		m.Mark = &mark{By: g.Mark.By, Reason: g.Mark.Reason, At: g.Mark.At.UnixMicro()}
	}
	return m
}

// Decode adds the text to a row that has its holder and its queue already, and was read at
// the instant now, by the store's clock. It says what is damaged, or nothing.
func Decode(l *driver.Lock, text []byte, now time.Time) (damage string) {
	var c crowd
	if err := json.Unmarshal(text, &c); err != nil {
		return "the crowd"
	}
	l.Limit = c.Limit
	l.KeepData = l.KeepData || c.KeepData
	if c.KeptUntil != 0 {
		l.KeptUntil = time.UnixMicro(c.KeptUntil)
	}
	for _, m := range c.Members {
		l.Members = append(l.Members, m.grant(now))
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
	return broken(l)
}

func (m member) grant(now time.Time) driver.Grant {
	g := driver.Grant{
		Place: driver.Place{Lease: m.Lease.parsed(), Ticket: m.Ticket.parsed()},
		Fence: m.Fence, Since: time.UnixMicro(m.Since),
	}
	g.Age = max(now.Sub(g.Since), 0)
	if m.Mark != nil {
		at := time.UnixMicro(m.Mark.At)
		g.Mark = &driver.Mark{By: m.Mark.By, Reason: m.Mark.Reason, At: at, Age: max(now.Sub(at), 0)}
	}
	return g
}

// broken says which invariant of a row with a crowd is broken, or nothing.
func broken(l *driver.Lock) string {
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
	return Twice(l)
}

// Twice says whether an attempt is in the row more than once.
func Twice(l *driver.Lock) string {
	if len(l.Queue) == 0 && len(l.Members) < 2 {
		return ""
	}
	seen := make(map[driver.ID]bool, len(l.Queue)+len(l.Members)+1)
	for p := range l.Places() {
		if seen[p.Ticket] {
			return "an attempt occurs twice"
		}
		seen[p.Ticket] = true
	}
	return ""
}
