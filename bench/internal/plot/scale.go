package plot

import (
	"math"
	"strconv"
	"strings"
)

// scale turns values into places along an axis.
type scale struct {
	log       bool
	low, high float64 // the values at its ends
	from, to  float64 // the places of these
}

func (s *scale) include(v float64) {
	s.low, s.high = min(s.low, v), max(s.high, v)
}

// widen makes the scale have a length, and room at its end if there is to be some.
func (s *scale) widen(room bool) {
	switch {
	case s.log && s.low == s.high:
		s.low, s.high = s.low/2, s.high*2
	case s.low == s.high:
		s.high++
	case s.log && room:
		s.high *= 1.2
	case room:
		s.high += (s.high - s.low) * 0.05
	}
}

func (s *scale) at(v float64) float64 {
	low, high := s.low, s.high
	if s.log {
		low, high, v = math.Log(low), math.Log(high), math.Log(v)
	}
	return s.from + (v-low)/(high-low)*(s.to-s.from)
}

// ticks returns the round values that are marked.
func (s *scale) ticks() []float64 {
	if s.log {
		return s.logTicks()
	}
	const about = 6
	step := math.Pow(10, math.Floor(math.Log10((s.high-s.low)/about)))
	for _, factor := range []float64{1, 2, 5, 10} {
		if (s.high-s.low)/(step*factor) <= about {
			step *= factor
			break
		}
	}
	var ticks []float64
	for i := math.Ceil(s.low / step); i*step <= s.high; i++ {
		ticks = append(ticks, i*step)
	}
	return ticks
}

// logTicks marks powers of ten, and twice and five times these where there are few.
func (s *scale) logTicks() []float64 {
	factors := []float64{1}
	if s.high/s.low < 1000 {
		factors = []float64{1, 2, 5}
	}
	var ticks []float64
	for power := math.Pow(10, math.Floor(math.Log10(s.low))); power <= s.high; power *= 10 {
		for _, factor := range factors {
			// Powers of ten are not all exact.
			if v := power * factor; v >= s.low*0.999 && v <= s.high*1.001 {
				ticks = append(ticks, v)
			}
		}
	}
	return ticks
}

// label writes a value for people: 60,000 or 0.25.
func label(v float64) string {
	s := strconv.FormatFloat(v, 'g', 4, 64)
	if math.Abs(v) >= 1000 {
		s = strconv.FormatFloat(v, 'f', 0, 64)
	}
	whole, rest, _ := strings.Cut(s, ".")
	if rest != "" {
		return s
	}
	for i := len(whole) - 3; i > 0 && whole[i-1] != '-'; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	return whole
}
