// Package stats sums up what was measured.
package stats

import (
	"math"
	"slices"
)

// Quantile returns the value that the share q of the values lies below, between the
// nearest two where it falls between them. NaN if there are none.
func Quantile(values []float64, q float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	at := q * float64(len(sorted)-1)
	low := int(at)
	high := min(low+1, len(sorted)-1)
	return sorted[low] + (at-float64(low))*(sorted[high]-sorted[low])
}

// Median is the middle value, or the mean of the two in the middle.
func Median(values []float64) float64 { return Quantile(values, 0.5) }

// Ratio is how one side compares with another over several rounds.
type Ratio struct {
	Median    float64 // of the rounds' ratios
	Low, High float64 // the smallest and the largest of them
}

// Compare divides ours by theirs, round by round: what disturbs a whole round
// disturbs both. Both have one value for each round.
func Compare(ours, theirs []float64) Ratio {
	ratios := make([]float64, min(len(ours), len(theirs)))
	for i := range ratios {
		ratios[i] = ours[i] / theirs[i]
	}
	return Ratio{Median: Median(ratios), Low: Quantile(ratios, 0), High: Quantile(ratios, 1)}
}

// Mean is the arithmetic mean; NaN if there are no values.
func Mean(values []float64) float64 {
	var sum float64
	for _, v := range values {
		sum += v
	}
	return sum / float64(len(values))
}
