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
	Mode    *string         `json:"mode"`   // exclusive, shared or permits
	Holder  *string         `json:"holder"` // the first, if there are several; as the next three
	Host    *string         `json:"host"`
	PID     *int            `json:"pid"`
	Age     *float64        `json:"age"` // seconds, by the database's clock
	Fence   uint64          `json:"fence"`
	Holders int             `json:"holders"`
	Limit   *int            `json:"limit"` // of permits
	Kept    *float64        `json:"kept"`  // seconds
	Waiters int             `json:"waiters"`
}

func newEntry(info leasehold.Info) entry {
	e := entry{
		Name: info.Name, State: info.State, Mode: modeOf(info), Fence: info.Fence,
		Holders: len(info.Holders), Waiters: len(info.Waiters),
	}
	if h := info.Holder; h != nil {
		e.Holder, e.Host, e.PID, e.Age = &h.Owner, &h.Host, &h.PID, seconds(h.Age)
	}
	if info.Limit > 0 {
		e.Limit = &info.Limit
	}
	if info.Kept > 0 {
		e.Kept = seconds(info.Kept)
	}
	return e
}

// How a lock is held.
const (
	exclusive = "exclusive"
	shared    = "shared"
	permits   = "permits"
)

// modeOf returns how the lock is held, or nil if it is free.
func modeOf(info leasehold.Info) *string {
	mode := exclusive
	switch {
	case info.Limit > 0:
		mode = permits
	case info.Shared:
		mode = shared
	case info.State == leasehold.Free:
		return nil
	}
	return &mode
}

// seconds returns d in seconds, to the millisecond.
func seconds(d time.Duration) *float64 {
	s := math.Round(d.Seconds()*1000) / 1000
	return &s
}

func writeJSON(w io.Writer, value any) error {
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false)
	out.SetIndent("", "  ")
	return out.Encode(value)
}
