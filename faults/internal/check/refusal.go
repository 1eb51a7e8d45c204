package check

import "github.com/leaseholdgo/leasehold/faults/internal/history"

// refusals finds acquisitions that were refused because the name is in use in another way.
// Each name is used in one way by all.
func refusals(events []history.Event) (found []Violation) {
	for _, e := range events {
		if e.Kind == history.Refused && e.Detail == history.OtherMode {
			found = append(found, violation(Refusal, e.Name, "client %s was told that it is in use in another way", e.Client).during(e.At, e.At))
		}
	}
	return found
}
