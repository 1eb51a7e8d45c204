package postgres

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
)

// crowd is what a row holds that is not plain (see driver.Lock.Plain), in the column of
// that name. Plain rows have none.
type crowd struct {
	Limit   int      `json:"limit,omitempty"`
	Members []member `json:"members,omitempty"`
	// Terms are those of the queue, place by place; none if all are plain.
	Terms     []terms `json:"terms,omitempty"`
	KeptUntil int64   `json:"kept_until,omitempty"` // Unix microseconds
	KeepData  bool    `json:"keep_data,omitempty"`
}

type member struct {
	Lease  uuid  `json:"lease"`
	Ticket uuid  `json:"ticket"`
	Fence  int64 `json:"fence"`
	Since  int64 `json:"granted_at"` // Unix microseconds
	Mark   *mark `json:"mark,omitempty"`
}

type mark struct {
	By     string `json:"by"`
	Reason string `json:"reason"`
	At     int64  `json:"at"` // Unix microseconds
}

type terms struct {
	Mode    driver.Mode `json:"mode,omitempty"`
	Limit   int         `json:"limit,omitempty"`
	MinHold int64       `json:"min_hold,omitempty"` // ms
}

// uuid is an id as the server writes it.
type uuid [16]byte

// MarshalText implements encoding.TextMarshaler.
func (u uuid) MarshalText() ([]byte, error) {
	return fmt.Appendf(nil, "%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:]), nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (u *uuid) UnmarshalText(text []byte) error {
	id, err := driver.ParseID(string(slices.DeleteFunc(slices.Clone(text), func(c byte) bool { return c == '-' })))
	*u = uuid(id)
	return err
}

// crowdOf returns what of the row goes into the column, or nil.
func crowdOf(l *driver.Lock) ([]byte, error) {
	if l.Plain() {
		return nil, nil
	}
	c := crowd{Limit: l.Limit, KeepData: l.KeepData}
	if !l.KeptUntil.IsZero() {
		c.KeptUntil = l.KeptUntil.UnixMicro()
	}
	for _, g := range l.Members {
		m := member{Lease: uuid(g.Lease), Ticket: uuid(g.Ticket), Fence: int64(g.Fence), Since: g.Since.UnixMicro()}
		if g.Mark != nil {
			m.Mark = &mark{By: g.Mark.By, Reason: g.Mark.Reason, At: g.Mark.At.UnixMicro()}
		}
		c.Members = append(c.Members, m)
	}
	for _, w := range l.Queue {
		t := w.Terms
		c.Terms = append(c.Terms, terms{Mode: t.Mode, Limit: t.Limit, MinHold: t.MinHold.Milliseconds()})
	}
	return json.Marshal(c)
}

// crowdInto puts the column into the row that was read at the instant now, by the server's
// clock. It says what is damaged, or nothing.
func crowdInto(l *driver.Lock, column []byte, now time.Time) (damage string) {
	var c crowd
	if err := json.Unmarshal(column, &c); err != nil {
		return "the crowd"
	}
	if damage = c.damage(l); damage != "" {
		return damage
	}
	l.Limit, l.KeepData = c.Limit, c.KeepData
	if c.KeptUntil != 0 {
		l.KeptUntil = time.UnixMicro(c.KeptUntil).UTC()
	}
	for _, m := range c.Members {
		l.Members = append(l.Members, m.grant(now))
	}
	for i, t := range c.Terms {
		l.Queue[i].Terms = driver.Terms{Mode: t.Mode, Limit: t.Limit, MinHold: time.Duration(t.MinHold) * time.Millisecond}
	}
	if !l.Held() {
		l.Kept = max(l.KeptUntil.Sub(now), 0)
	}
	return ""
}

func (m member) grant(now time.Time) driver.Grant {
	g := driver.Grant{
		Place: driver.Place{Lease: driver.ID(m.Lease), Ticket: driver.ID(m.Ticket)},
		Fence: uint64(m.Fence),
		Since: time.UnixMicro(m.Since).UTC(),
	}
	g.Age = now.Sub(g.Since)
	if m.Mark != nil {
		at := time.UnixMicro(m.Mark.At).UTC()
		g.Mark = &driver.Mark{By: m.Mark.By, Reason: m.Mark.Reason, At: at, Age: now.Sub(at)}
	}
	return g
}

// damage says which invariant of the crowd is broken, or nothing.
func (c *crowd) damage(l *driver.Lock) string {
	switch {
	case len(c.Members) > 0 && l.Held():
		return "members beside a holder"
	case c.Limit < 0 || c.Limit > driver.MaxLimit || c.Limit > 0 && len(c.Members) > c.Limit:
		return "the permits"
	case len(c.Terms) != len(l.Queue) || slices.ContainsFunc(c.Terms, func(t terms) bool { return !t.agree(c.Limit) }):
		return "the queue's terms"
	}
	seen := make(map[uuid]bool, len(c.Members)+len(l.Queue))
	for _, w := range l.Queue {
		seen[uuid(w.Ticket)] = true
	}
	for _, m := range c.Members {
		if m.Ticket == (uuid{}) || m.Fence <= 0 || m.Fence > int64(l.Fence) {
			return "a member"
		}
		if seen[m.Ticket] {
			return "an attempt occurs twice"
		}
		seen[m.Ticket] = true
	}
	return ""
}

// agree reports whether an attempt on these terms can wait in a row with the limit.
func (t terms) agree(limit int) bool {
	switch t.Mode {
	case driver.Exclusive:
		return limit == 0 && t.Limit == 0 && t.MinHold >= 0
	case driver.Shared:
		return limit == 0 && t.Limit == 0 && t.MinHold == 0
	case driver.Permit:
		return limit > 0 && t.Limit == limit && t.MinHold == 0
	default:
		return false
	}
}
