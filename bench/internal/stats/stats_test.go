package stats

import (
	"math"
	"testing"
)

func TestQuantile(t *testing.T) {
	t.Parallel()
	values := []float64{4, 1, 3, 2}
	for q, want := range map[float64]float64{0: 1, 0.5: 2.5, 1: 4, 0.25: 1.75} {
		if got := Quantile(values, q); got != want {
			t.Errorf("quantile %v is %v, not %v", q, got, want)
		}
	}
	if values[0] != 4 {
		t.Error("the values were sorted in place")
	}
	if Median([]float64{7}) != 7 || !math.IsNaN(Median(nil)) {
		t.Error("one value, or none")
	}
}

// TestCompareTakesRounds: a round in which everything is slow changes no ratio.
func TestCompareTakesRounds(t *testing.T) {
	t.Parallel()
	got := Compare([]float64{100, 10, 90}, []float64{50, 5, 30})
	if want := (Ratio{Median: 2, Low: 2, High: 3}); got != want {
		t.Errorf("%+v, not %+v", got, want)
	}
}
