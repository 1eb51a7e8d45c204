// Package diagnosis makes the checks by which a store finds out whether its database
// is fit to keep locks in: one after the other, each for a bounded time.
package diagnosis

import (
	"context"
	"fmt"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
)

// Check looks at one thing. Run returns the zero Finding where there is nothing to
// say, and an error where it could not find out; it leaves the finding's Check empty.
type Check struct {
	Name string
	Run  func(context.Context) (driver.Finding, error)
}

// Run makes the checks in order and returns what they found. Each may take as long
// as limit. One that could not find out gives a warning that says why, so the others
// are made all the same. When ctx ends, what was found until then is returned.
func Run(ctx context.Context, limit time.Duration, checks []Check) []driver.Finding {
	var findings []driver.Finding
	for _, check := range checks {
		if ctx.Err() != nil {
			break
		}
		if finding := check.run(ctx, limit); finding.Level != "" {
			findings = append(findings, finding)
		}
	}
	return findings
}

func (c Check) run(ctx context.Context, limit time.Duration) driver.Finding {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	finding, err := c.Run(ctx)
	if err != nil {
		finding = Warning("", "could not be found out: %v", err)
	}
	finding.Check = c.Name
	return finding
}

// OK returns a finding of that level without advice.
func OK(format string, args ...any) driver.Finding {
	return driver.Finding{Level: driver.LevelOK, Finding: fmt.Sprintf(format, args...)}
}

// Warning returns a finding of that level.
func Warning(advice, format string, args ...any) driver.Finding {
	return driver.Finding{Level: driver.LevelWarning, Finding: fmt.Sprintf(format, args...), Advice: advice}
}

// Problem returns a finding of that level.
func Problem(advice, format string, args ...any) driver.Finding {
	return driver.Finding{Level: driver.LevelProblem, Finding: fmt.Sprintf(format, args...), Advice: advice}
}
