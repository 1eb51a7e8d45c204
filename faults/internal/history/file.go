package history

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
)

// suffix of the files of a history.
const suffix = ".history"

// Writer appends events to a file, each with one write, so that a process that is
// killed loses none it has recorded. It is safe for concurrent use.
type Writer struct{ file *os.File }

// Create makes the file for one process in dir.
func Create(dir, process string) (*Writer, error) {
	f, err := os.OpenFile(filepath.Join(dir, process+suffix), os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	return &Writer{f}, nil
}

// Record appends e. An event without an instant gets the present one. It panics if
// the file cannot be written: a history with holes is worth nothing.
func (w *Writer) Record(e Event) {
	e.At = cmp.Or(e.At, Now())
	line, err := json.Marshal(e)
	if err == nil {
		_, err = w.file.Write(append(line, '\n'))
	}
	if err != nil {
		panic(fmt.Sprintf("recording an event: %v", err))
	}
}

// Close closes the file.
func (w *Writer) Close() error { return w.file.Close() }

// Read returns the events of all files in dir, in the order of their instants.
func Read(dir string) ([]Event, error) {
	paths, err := files(dir)
	if err != nil {
		return nil, err
	}
	var all []Event
	for _, path := range paths {
		events, err := readFile(path)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", filepath.Base(path), err)
		}
		all = append(all, events...)
	}
	slices.SortStableFunc(all, func(a, b Event) int { return cmp.Compare(a.At, b.At) })
	return all, nil
}

// files returns the paths of the history in dir, in the order of their names.
func files(dir string) ([]string, error) {
	return filepath.Glob(filepath.Join(dir, "*"+suffix)) // sorted
}

// readFile leaves out a last line without an end: its process was killed in the
// middle of a write.
func readFile(path string) ([]Event, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var events []Event
	for lines := bufio.NewReader(f); ; {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return events, nil
		}
		if err != nil {
			return nil, err
		}
		var e Event
		if err := json.Unmarshal(bytes.TrimSpace(line), &e); err != nil {
			return nil, err
		}
		events = append(events, e)
	}
}
