package draw

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/leaseholdgo/leasehold/faults/internal/check"
	"github.com/leaseholdgo/leasehold/faults/internal/history"
)

// Pixels.
const (
	gutter = 70 // left of the lanes, for their names
	width  = 1200
	lane   = 26
	bar    = 14
	header = 20 // above the lanes, for the ticks
	digits = 95 // of a fence
)

// view is one drawing: geometry in pixels, and what is said of it.
type view struct {
	Name          string
	From, To      time.Duration
	Width, Height int
	Lanes         []label
	Ticks         []label
	Bands         []box // violations
	Waits, Holds  []box
	Marks         []box // faults
}

// label is a text at a place.
type label struct {
	X, Y float64
	Text string
}

// box is a rectangle, with a text for those who point at it.
type box struct {
	X, Y, W, H float64
	Class      string
	Text       string
	Label      string
}

// scale turns instants into pixels.
type scale struct{ from, to time.Duration }

func (s scale) x(at time.Duration) float64 {
	at = max(s.from, min(at, s.to))
	return gutter + (width-gutter)*float64(at-s.from)/float64(s.to-s.from)
}

// shows reports whether something from one instant to another is to be seen.
func (s scale) shows(from, to time.Duration) bool { return from <= s.to && s.from <= to }

func newView(c cut, events []history.Event, holds []check.Hold, violations []check.Violation) view {
	s := scale{c.from, c.to}
	holds = slices.DeleteFunc(slices.Clone(holds), func(h check.Hold) bool {
		return h.Name != c.name || !s.shows(h.Called, max(h.Granted, h.End))
	})
	lanes := rows(holds)
	v := view{Name: c.name, From: c.from, To: c.to, Width: width + 10, Height: header + lane*(len(lanes)+1)}
	for _, process := range slices.Sorted(maps.Keys(lanes)) {
		v.Lanes = append(v.Lanes, label{2, lanes[process] + bar, process})
	}
	v.ticks(s)
	v.bands(c, s, violations)
	v.holds(s, holds, lanes, guilty(c, violations))
	v.marks(s, events, lanes)
	return v
}

// rows returns the upper edge of each process's lane.
func rows(holds []check.Hold) map[string]float64 {
	lanes := map[string]float64{}
	for _, h := range holds {
		lanes[history.Process(h.Client)] = 0
	}
	for i, process := range slices.Sorted(maps.Keys(lanes)) {
		lanes[process] = float64(header + i*lane)
	}
	return lanes
}

func (v *view) ticks(s scale) {
	step := time.Millisecond
	for _, factor := range []time.Duration{1, 10, 100, 1000, 10_000} {
		for _, unit := range []time.Duration{1, 2, 5} {
			if step*12 < s.to-s.from {
				step = factor * unit * time.Millisecond
			}
		}
	}
	for at := s.from.Truncate(step) + step; at < s.to; at += step {
		v.Ticks = append(v.Ticks, label{s.x(at), header - 8, at.String()})
	}
}

func (v *view) bands(c cut, s scale, violations []check.Violation) {
	for _, found := range violations {
		if found.Name != c.name || !s.shows(found.From, found.To) {
			continue
		}
		x := s.x(found.From)
		v.Bands = append(v.Bands, box{X: x, Y: header, W: max(s.x(found.To)-x, 2), H: float64(v.Height - header), Text: found.String()})
	}
}

// guilty returns the fences of the grants that violations are about.
func guilty(c cut, violations []check.Violation) map[uint64]bool {
	fences := map[uint64]bool{}
	for _, found := range violations {
		for _, fence := range found.Fences {
			fences[fence] = fences[fence] || found.Name == c.name
		}
	}
	return fences
}

func (v *view) holds(s scale, holds []check.Hold, lanes map[string]float64, guilty map[uint64]bool) {
	for _, h := range holds {
		y := lanes[history.Process(h.Client)]
		x, end := s.x(h.Granted), s.x(max(h.Granted, h.End))
		text := fmt.Sprintf("client %s, acquisition %d, fence %d: called %v, granted %v, believed until %v",
			h.Client, h.Op, h.Fence, h.Called, h.Granted, h.End)
		class := ""
		if guilty[h.Fence] {
			class = "bad"
		}
		v.Waits = append(v.Waits, box{X: s.x(h.Called), Y: y + bar + 4, W: max(x-s.x(h.Called), 1), H: 2, Text: text})
		b := box{X: x, Y: y, W: max(end-x, 1.5), H: bar, Class: class, Text: text}
		if b.W > digits {
			b.Label = fmt.Sprint(h.Fence)
		}
		v.Holds = append(v.Holds, b)
	}
}

func (v *view) marks(s scale, events []history.Event, lanes map[string]float64) {
	for _, e := range events {
		class := map[history.Kind]string{
			history.Fault: "fault", history.Killed: "fault", history.Healed: "healed", history.Promoted: "promoted",
		}[e.Kind]
		if class == "" || !s.shows(e.At, e.At) {
			continue
		}
		y, known := lanes[e.Client]
		b := box{X: s.x(e.At), Y: y - 2, W: 2, H: lane - 2, Class: class, Text: fmt.Sprintf("%v: %s %s %s", e.At, e.Kind, e.Detail, e.Client)}
		if e.Client == "" {
			b.Y, b.H = header, float64(v.Height-header)
		} else if !known {
			continue // nothing of that process is drawn here
		}
		v.Marks = append(v.Marks, b)
	}
}
