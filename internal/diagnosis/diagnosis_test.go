package diagnosis_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/diagnosis"
)

func TestRun(t *testing.T) {
	t.Parallel()
	hang := func(ctx context.Context) (driver.Finding, error) {
		<-ctx.Done()
		return driver.Finding{}, ctx.Err()
	}
	says := func(f driver.Finding, err error) func(context.Context) (driver.Finding, error) {
		return func(context.Context) (driver.Finding, error) { return f, err }
	}
	findings := diagnosis.Run(t.Context(), 10*time.Millisecond, []diagnosis.Check{
		{"good", says(diagnosis.OK("%d of %d", 1, 1), nil)},
		{"nothing to say", says(driver.Finding{}, nil)},
		{"hangs", hang},
		{"fails", says(diagnosis.OK("unused"), errors.New("refused"))},
		{"bad", says(diagnosis.Problem("mend it", "broken"), nil)},
	})
	var lines []string
	for _, f := range findings {
		lines = append(lines, strings.Join([]string{f.Check, string(f.Level), f.Finding, f.Advice}, "|"))
	}
	want := `good|ok|1 of 1|
hangs|warning|could not be found out: context deadline exceeded|
fails|warning|could not be found out: refused|
bad|problem|broken|mend it`
	if got := strings.Join(lines, "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	findings := diagnosis.Run(ctx, time.Minute, []diagnosis.Check{
		{"first", func(context.Context) (driver.Finding, error) { cancel(); return diagnosis.OK("seen"), nil }},
		{"second", func(context.Context) (driver.Finding, error) { return diagnosis.OK("seen"), nil }},
	})
	if len(findings) != 1 {
		t.Errorf("after its context ended it found %v", findings)
	}
}
