package plot

import (
	"encoding/xml"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
)

func TestChartIsWellFormed(t *testing.T) {
	t.Parallel()
	chart := Chart{
		Title: `a < b & "c"`, X: "goroutines", Y: "cycles/s", LogX: true, LogY: true,
		Series: []Series{
			{Name: "ours", Points: []Point{{1, 900}, {32, 12_000}, {512, 60_000}}, Dots: true},
			{Name: "<floor>", Points: []Point{{1, 1_000}}},
		},
		Spans: []Span{{Name: "open", From: 2, To: 30}},
	}
	elements := parse(t, chart.SVG())
	for element, want := range map[string]int{"svg": 1, "polyline": 2, "circle": 3, "rect": 1, "style": 1} {
		if elements[element] != want {
			t.Errorf("%d elements %s, not %d", elements[element], element, want)
		}
	}
	if drawn := string(chart.SVG()); strings.Contains(drawn, "NaN") || strings.Contains(drawn, "Inf") {
		t.Error("a place is no number")
	}
}

// parse counts the elements of a document and fails if it is not well-formed.
func parse(t *testing.T, document []byte) map[string]int {
	t.Helper()
	elements := map[string]int{}
	for d := xml.NewDecoder(strings.NewReader(string(document))); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return elements
		}
		if err != nil {
			t.Fatal(err)
		}
		if start, ok := token.(xml.StartElement); ok {
			elements[start.Name.Local]++
		}
	}
}

func TestTicksAreRound(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		scale scale
		want  []float64
	}{
		{scale{low: 0, high: 10}, []float64{0, 2, 4, 6, 8, 10}},
		{scale{low: 0, high: 3.1}, []float64{0, 1, 2, 3}},
		{scale{log: true, low: 1, high: 10_000}, []float64{1, 10, 100, 1_000, 10_000}},
		{scale{log: true, low: 300, high: 6_000}, []float64{500, 1_000, 2_000, 5_000}},
	} {
		if got := test.scale.ticks(); !slices.Equal(got, test.want) {
			t.Errorf("%v to %v: %v, not %v", test.scale.low, test.scale.high, got, test.want)
		}
	}
}

func TestLabels(t *testing.T) {
	t.Parallel()
	for v, want := range map[float64]string{0: "0", 0.25: "0.25", 999: "999", 1_000: "1,000", 60_000: "60,000", 1e6: "1,000,000"} {
		if got := label(v); got != want {
			t.Errorf("%v is written %s, not %s", v, got, want)
		}
	}
}

func TestScaleEnds(t *testing.T) {
	t.Parallel()
	for _, s := range []scale{{low: 0, high: 50, from: 10, to: 110}, {log: true, low: 1, high: 512, from: 300, to: 20}} {
		if s.at(s.low) != s.from || s.at(s.high) != s.to {
			t.Errorf("the ends are at %v and %v", s.at(s.low), s.at(s.high))
		}
	}
}
