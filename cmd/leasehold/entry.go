package main

import (
	"encoding/json"
	"io"
	"math"
	"time"

	"github.com/leaseholdgo/leasehold"
)

// entry is a lock as ls prints it. Fields that a free lock lacks are null.
type entry struct {
	Name    string          `json:"name"`
	State   leasehold.State `json:"state"`
	Holder  *string         `json:"holder"`
	Host    *string         `json:"host"`
	PID     *int            `json:"pid"`
	Age     *float64        `json:"age"` // seconds, by the database's clock
	Fence   uint64          `json:"fence"`
	Waiters int             `json:"waiters"`
}

func newEntry(info leasehold.Info) entry {
	e := entry{Name: info.Name, State: info.State, Fence: info.Fence, Waiters: len(info.Waiters)}
	if h := info.Holder; h != nil {
		e.Holder, e.Host, e.PID, e.Age = &h.Owner, &h.Host, &h.PID, seconds(h.Age)
	}
	return e
}

// seconds returns d in seconds, to the millisecond.
func seconds(d time.Duration) *float64 {
	s := math.Round(d.Seconds()*1000) / 1000
	return &s
}

// details is a lock as inspect prints it.
type details struct {
	entry
	App     string     `json:"app,omitempty"`
	Since   *time.Time `json:"since,omitempty"`
	Revoked *revoked   `json:"revoked,omitempty"`
	Queue   []waiter   `json:"queue"` // first come first
}

type revoked struct {
	By     string   `json:"by"`
	Reason string   `json:"reason"`
	Age    *float64 `json:"age"`
}

type waiter struct {
	Owner string `json:"owner"`
	Host  string `json:"host"`
	PID   int    `json:"pid"`
	App   string `json:"app"`
}

func newDetails(info leasehold.Info) details {
	d := details{entry: newEntry(info), Queue: []waiter{}}
	if h := info.Holder; h != nil {
		d.App, d.Since = h.App, &h.Since
	}
	if m := info.Mark; m != nil {
		d.Revoked = &revoked{By: m.By, Reason: m.Reason, Age: seconds(m.Age)}
	}
	for _, w := range info.Waiters {
		d.Queue = append(d.Queue, waiter(w))
	}
	return d
}

func writeJSON(w io.Writer, value any) error {
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false)
	out.SetIndent("", "  ")
	return out.Encode(value)
}
