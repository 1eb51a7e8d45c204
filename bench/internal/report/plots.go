package report

import (
	"slices"

	"github.com/leaseholdgo/leasehold/bench/internal/measure"
	"github.com/leaseholdgo/leasehold/bench/internal/plot"
	"github.com/leaseholdgo/leasehold/bench/internal/side"
	"github.com/leaseholdgo/leasehold/bench/internal/stats"
)

// sides in the order of the legends.
var sides = []string{side.Leasehold, floorLine, measure.NotifyFloor, side.ByHand, side.EtcdOf, side.RedsyncOf}

// floorLine is the floors of all numbers of connections, as one line: each stands at as
// many goroutines as it has connections.
const floorLine = "two raw updates"

// colours of the sides: the floors have the same, which is grey.
var colours = map[string]int{
	side.Leasehold: 0, floorLine: 1, measure.NotifyFloor: 1, side.ByHand: 2, measure.PerLock: 2, side.EtcdOf: 3, side.RedsyncOf: 4,
}

func (r *Report) throughputPlot() plot.Chart {
	c := plot.Chart{
		Title: "Acquire and release, a name for each goroutine", X: "goroutines (floor: connections)", Y: "cycles a second",
		LogX: true, LogY: true,
	}
	for _, name := range sides {
		points := map[int]float64{}
		for _, t := range r.Findings.Throughput {
			if t.Side == name {
				points[t.Goroutines] = t.Median
			}
		}
		if name == floorLine {
			points = r.floors()
		}
		c.Series = appendSeries(c.Series, name, points)
	}
	return c
}

// floors returns the median of each floor, by its connections; where one was measured with
// several numbers of goroutines of ours, of all of them.
func (r *Report) floors() map[int]float64 {
	medians := map[int][]float64{}
	for _, t := range r.Findings.Throughput {
		if t.Floor > 0 {
			medians[t.Floor] = append(medians[t.Floor], t.Median)
		}
	}
	points := map[int]float64{}
	for connections, m := range medians {
		points[connections] = stats.Median(m)
	}
	return points
}

func appendSeries(series []plot.Series, name string, points map[int]float64) []plot.Series {
	s := plot.Series{Name: name, Colour: colours[name], Dots: true}
	for x, y := range points {
		s.Points = append(s.Points, plot.Point{X: float64(x), Y: y})
	}
	slices.SortFunc(s.Points, func(a, b plot.Point) int { return int(a.X - b.X) })
	if len(s.Points) == 0 {
		return series
	}
	return append(series, s)
}

// handoverPlot shows which share of the hand-overs took at most so long.
func (r *Report) handoverPlot() plot.Chart {
	c := plot.Chart{
		Title: "From release to the next holder, in another process", X: "microseconds", Y: "% of hand-overs that took no longer", LogX: true,
	}
	for _, name := range sides {
		took := r.Findings.Handovers[name]
		s := plot.Series{Name: name, Colour: colours[name]}
		for percent := 0; len(took) > 0 && percent <= 99; percent++ {
			s.Points = append(s.Points, plot.Point{X: stats.Quantile(took, float64(percent)/100), Y: float64(percent)})
		}
		if len(took) > 0 {
			c.Series = append(c.Series, s)
		}
	}
	return c
}

func (r *Report) snapshotPlot() plot.Chart {
	c := plot.Chart{Title: "One hot name, 8 processes, and a long snapshot elsewhere", X: "seconds", Y: "hand-overs a second"}
	for _, h := range r.Findings.Hot {
		s := plot.Series{Name: h.Side, Colour: colours[h.Side]}
		for i, rate := range h.Rates {
			s.Points = append(s.Points, plot.Point{X: measure.Slice.Seconds() * (float64(i) + 0.5), Y: rate})
		}
		c.Series = append(c.Series, s)
		from := h.Plan.Before.Seconds()
		c.Spans = []plot.Span{{Name: "snapshot open", From: from, To: from + h.Plan.Open.Seconds()}}
	}
	return c
}

func (r *Report) holdingPlot() plot.Chart {
	c := plot.Chart{Title: "Keeping n locks alive, once", X: "locks held", Y: "milliseconds", LogX: true, LogY: true}
	by := map[string]map[int]float64{}
	for _, h := range r.Findings.Holding {
		if by[h.Side] == nil {
			by[h.Side] = map[int]float64{}
		}
		by[h.Side][h.Locks] = h.Took
	}
	for _, name := range []string{side.Leasehold, measure.PerLock, side.RedsyncOf} {
		c.Series = appendSeries(c.Series, name, by[name])
	}
	return c
}
