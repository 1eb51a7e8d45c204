// Package draw draws a history as one HTML page that needs nothing else: for each
// name a lane per process, the holds in it as bars, faults as vertical marks, and
// violations in red. It draws the surroundings of violations; of a history without
// any, the end.
package draw

import (
	"bufio"
	_ "embed"
	"errors"
	"html/template"
	"io"
	"os"

	"github.com/leaseholdgo/leasehold/faults/internal/check"
	"github.com/leaseholdgo/leasehold/faults/internal/history"
)

//go:embed page.html
var text string

var tmpl = template.Must(template.New("page").Parse(text))

// page is what the template shows.
type page struct {
	Violations []check.Violation
	Left       int // violations that are not listed
	Views      []view
}

// listed is how many violations are listed at the most.
const listed = 200

// Page writes the page. events are in the order of their instants.
func Page(out io.Writer, events []history.Event, violations []check.Violation) error {
	p := page{Violations: violations[:min(listed, len(violations))]}
	p.Left = len(violations) - len(p.Violations)
	holds := check.Holds(events)
	for _, c := range cuts(events, violations) {
		p.Views = append(p.Views, newView(c, events, holds, violations))
	}
	return tmpl.Execute(out, p)
}

// File writes the page to a new file.
func File(path string, events []history.Event, violations []check.Violation) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(f)
	err = Page(out, events, violations)
	return errors.Join(err, out.Flush(), f.Close())
}
