package measure

import (
	"math"

	"github.com/leaseholdgo/leasehold/bench/internal/stats"
)

// Findings is what the tables and plots show beyond the results. It can be kept as JSON.
//
// Families that are taken at the same time add to different parts of it.
type Findings struct {
	Throughput []Throughput
	Handovers  map[string][]float64 // microseconds, by side
	Hot        []Hot
	Holding    []Holding
	Waiting    []Waiting
}

// Throughput is what one side reached with so many goroutines.
type Throughput struct {
	Side       string
	Goroutines int
	Floor      int     // its connections, if it is a floor
	Median     float64 // cycles a second
	Low, High  float64 // the rounds' extremes
}

func (f *Findings) addThroughput(side string, goroutines, floor int, rates []float64) {
	f.Throughput = append(f.Throughput, Throughput{
		Side: side, Goroutines: goroutines, Floor: floor,
		Median: stats.Median(rates), Low: stats.Quantile(rates, 0), High: stats.Quantile(rates, 1),
	})
}

// Hot is how often one side handed a hot name over while a long snapshot was opened and
// closed.
type Hot struct {
	Side  string
	Plan  Plan
	Rates []float64 // in each slice
}

func (f *Findings) addHandovers(side string, took []float64) {
	if f.Handovers == nil {
		f.Handovers = map[string][]float64{}
	}
	for _, t := range took {
		f.Handovers[side] = append(f.Handovers[side], math.Round(t))
	}
}

func (f *Findings) addHot(side string, p Plan, rates []float64) {
	f.Hot = append(f.Hot, Hot{Side: side, Plan: p, Rates: rates})
}

// Holding is what it costs to keep so many locks alive once.
type Holding struct {
	Side       string
	Locks      int
	Statements float64
	Took       float64 // milliseconds
}

func (f *Findings) addHolding(h Holding) { f.Holding = append(f.Holding, h) }

// Waiting is the memory of a crowd of goroutines, per goroutine.
type Waiting struct {
	Crowd          string
	Heap, Stacks   float64 // bytes
	Waiters, Names int
}

func (f *Findings) addWaiting(w Waiting) { f.Waiting = append(f.Waiting, w) }
