package measure

import "github.com/leaseholdgo/leasehold/bench/internal/stats"

// Result is one measure.
type Result struct {
	Name  string  `json:"name"`
	Ours  float64 `json:"ours"`  // the median of the rounds
	Floor float64 `json:"floor"` // likewise, of what it is compared with
	Ratio float64 `json:"ratio"` // the median of the rounds' ratios
	Unit  string  `json:"unit"`
	Low   float64 `json:"low"`  // the smallest of the rounds' ratios
	High  float64 `json:"high"` // the largest
}

// compare makes the result of what both sides reached in each round.
func compare(name, unit string, ours, floor []float64) Result {
	ratio := stats.Compare(ours, floor)
	return Result{
		Name: name, Unit: unit, Ours: stats.Median(ours), Floor: stats.Median(floor),
		Ratio: ratio.Median, Low: ratio.Low, High: ratio.High,
	}
}
