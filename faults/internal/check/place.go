package check

import (
	"time"

	"github.com/leaseholdgo/leasehold/faults/internal/history"
)

// since returns for every acquisition the earliest instant at which what it may have had in
// the database was asked for. Acquisitions of one name, on the same terms, stand in a line in
// their client, and one that gives up leaves its place in the database's queue, or a grant
// that it has not been told of yet, to the next. So an acquisition may have the place of one
// that was refused after it was called, and that one an earlier one's.
func since(events []history.Event) map[key]time.Duration {
	refused := map[key]time.Duration{}
	for _, e := range events {
		if e.Kind == history.Refused {
			refused[key{e.Client, e.Op}] = e.At
		}
	}
	type line struct {
		client, name string
		history.Terms
	}
	type place struct{ since, until time.Duration }
	first := map[key]time.Duration{}
	lines := map[line][]place{} // those whose place may be left to others yet
	for _, e := range events {
		if e.Kind != history.Called {
			continue
		}
		l, k := line{e.Client, e.Name, e.Terms}, key{e.Client, e.Op}
		l.Parts = 0
		p := place{since: e.At, until: before(refused, k)}
		var still []place
		for _, other := range lines[l] {
			if other.until >= e.At {
				p.since = min(p.since, other.since)
				still = append(still, other)
			}
		}
		if p.until != never {
			still = append(still, p)
		}
		lines[l], first[k] = still, p.since
	}
	return first
}
