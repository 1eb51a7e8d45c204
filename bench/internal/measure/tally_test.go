package measure

import (
	"testing"
	"time"
)

func TestTallyCountsWhatIsWithinTheShift(t *testing.T) {
	t.Parallel()
	now := time.Now().UnixNano()
	const hour = int64(time.Hour)
	for _, test := range []struct {
		from, to int64
		counted  int
		more     bool
	}{
		{now + hour, now + 2*hour, 0, true},
		{now - hour, now + hour, 1, true},
		{now - 2*hour, now - hour, 0, false},
	} {
		tally := newTally(shift{From: test.from, To: test.to, Slice: time.Hour})
		if more := tally.count(); more != test.more || sum(tally.Counts) != float64(test.counted) {
			t.Errorf("from %v to %v: counts %v, more %v", test.from-now, test.to-now, tally.Counts, more)
		}
	}
}

func TestRatesOfSlices(t *testing.T) {
	t.Parallel()
	rates := perSlice([][]int{{1, 2, 3, 4}, {1, 1, 1, 1}}, Slice)
	if len(rates) != 4 || rates[0] != 4 || rates[3] != 10 {
		t.Errorf("rates %v", rates)
	}
	if mean := within(rates, Slice, Slice, 3*Slice); mean != 7 {
		t.Errorf("the mean of %v is %v", rates[1:3], mean)
	}
	if mean := within(rates, Slice, 3*Slice, 30*Slice); mean != 10 {
		t.Errorf("the mean of %v is %v", rates[3:], mean)
	}
}
