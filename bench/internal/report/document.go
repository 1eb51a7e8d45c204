package report

import (
	"bytes"
	_ "embed"
	"fmt"
	"math"
	"strconv"
	"strings"
	"text/template"

	"github.com/leaseholdgo/leasehold/bench/internal/measure"
	"github.com/leaseholdgo/leasehold/bench/internal/stats"
)

//go:embed benchmarks.md.tmpl
var page string

// document returns the page.
func (r *Report) document(prose string) ([]byte, error) {
	t, err := template.New("benchmarks.md").Funcs(template.FuncMap{"figure": figure, "count": func(n int) string { return figure(float64(n)) }}).Parse(page)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = t.Execute(&b, map[string]any{
		"Report": r, "Date": r.Made.UTC().Format("2 January 2006"), "Prose": strings.TrimSpace(prose),
		"Goals": r.goalRows(), "Throughput": r.throughputTable(), "Handovers": r.handoverRows(),
		"Holding": r.Findings.Holding, "Waiting": r.Findings.Waiting,
	})
	return b.Bytes(), err
}

// goalRows returns the rows of the first table: of the measures, in the goals' order.
func (r *Report) goalRows() []string {
	var rows []string
	for _, g := range goals {
		for _, m := range r.Results {
			if m.Name != g.name {
				continue
			}
			spread := ""
			if m.Low != m.High {
				spread = fmt.Sprintf(" (%s to %s)", figure(m.Low), figure(m.High))
			}
			rows = append(rows, fmt.Sprintf("| `%s` | %s | %s %s | %s | %s%s | %s | %s |",
				m.Name, g.what, figure(m.Ours), m.Unit, figure(m.Floor), figure(m.Ratio), spread, g.goal, g.verdict(m)))
		}
	}
	return rows
}

// throughputTable returns one row for each side and a column for each number of
// goroutines, the head first.
func (r *Report) throughputTable() []string {
	columns := []int{1, 8, 32, 128, 512}
	rows := []string{"| cycles a second |", "| --- |"}
	for _, n := range columns {
		rows[0] += fmt.Sprintf(" %d |", n)
		rows[1] += " ---: |"
	}
	for _, name := range sides {
		row, some := "| "+name+" |", false
		for _, n := range columns {
			cell := ""
			for _, t := range r.Findings.Throughput {
				if t.Side == name && t.Goroutines == n {
					cell, some = figure(t.Median), true
				}
			}
			row += " " + cell + " |"
		}
		if some {
			rows = append(rows, row)
		}
	}
	return append(rows, r.floorRow(columns))
}

// floorRow has the floors at their numbers of connections.
func (r *Report) floorRow(columns []int) string {
	row, floors := "| "+floorLine+", by connections |", r.floors()
	for _, n := range columns {
		cell := ""
		if rate, ok := floors[n]; ok {
			cell = figure(rate)
		}
		if n == 128 { // the number of connections beside it is 64
			cell = figure(floors[64]) + " (64)"
		}
		row += " " + cell + " |"
	}
	return row
}

type handoverRow struct {
	Side               string
	P50, P90, P99, Max float64
	N                  int
}

func (r *Report) handoverRows() []handoverRow {
	var rows []handoverRow
	for _, name := range sides {
		if took := r.Findings.Handovers[name]; len(took) > 0 {
			q := func(share float64) float64 { return stats.Quantile(took, share) }
			rows = append(rows, handoverRow{name, q(0.5), q(0.9), q(0.99), q(1), len(took)})
		}
	}
	return rows
}

// Result returns a measure, for the page's text.
func (r *Report) Result(name string) (measure.Result, error) {
	for _, m := range r.Results {
		if m.Name == name {
			return m, nil
		}
	}
	return measure.Result{}, fmt.Errorf("%s was not measured", name)
}

// figure writes a number with three digits that count, or as it is where it is large.
func figure(v float64) string {
	if math.Abs(v) < 100 {
		return strconv.FormatFloat(v, 'g', 3, 64)
	}
	s := strconv.FormatFloat(v, 'f', 0, 64)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
