// Package report writes docs/benchmarks.md and its plots from what a whole run found.
package report

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/leaseholdgo/leasehold/bench/internal/measure"
)

// Report is a whole run.
type Report struct {
	Made     time.Time
	Commit   string
	Machine  Machine
	Results  []measure.Result
	Findings *measure.Findings
}

// kept is the file, beside the plots, from which the document can be made again.
const kept = "results.json"

// Write writes the document, the plots and the figures themselves into a directory.
// Prose is Markdown, for people to say where the time goes.
func (r *Report) Write(dir, prose string) error {
	plots := filepath.Join(dir, "benchmarks")
	if err := os.MkdirAll(plots, 0o755); err != nil {
		return err
	}
	figures, err := json.Marshal(r)
	if err != nil {
		return err
	}
	files := map[string][]byte{
		filepath.Join(plots, kept):             append(figures, '\n'),
		filepath.Join(plots, "throughput.svg"): r.throughputPlot().SVG(),
		filepath.Join(plots, "handover.svg"):   r.handoverPlot().SVG(),
		filepath.Join(plots, "snapshot.svg"):   r.snapshotPlot().SVG(),
		filepath.Join(plots, "holding.svg"):    r.holdingPlot().SVG(),
	}
	if files[filepath.Join(dir, "benchmarks.md")], err = r.document(prose); err != nil {
		return err
	}
	for path, content := range files {
		if err := os.WriteFile(path, content, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// Read reads what Write has written there.
func Read(dir string) (*Report, error) {
	path := filepath.Join(dir, "benchmarks", kept)
	figures, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	r := new(Report)
	if err := json.Unmarshal(figures, r); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return r, nil
}
