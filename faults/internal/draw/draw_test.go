package draw_test

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/leaseholdgo/leasehold/faults/internal/check"
	"github.com/leaseholdgo/leasehold/faults/internal/draw"
	"github.com/leaseholdgo/leasehold/faults/internal/history"
)

const ms = time.Millisecond

// recorded is an hour in which two clients take turns, one of which is killed in its
// middle.
func recorded() (events []history.Event) {
	const n = 36_000
	for i := range n {
		at := time.Duration(i) * 100 * ms
		e := history.Event{Client: fmt.Sprintf("%d.1.1", i%2), Op: uint64(i), Name: "hot/<a>", Fence: uint64(1_000_000 + i)}
		for _, kind := range []history.Kind{history.Called, history.Granted, history.LetGo} {
			e.Kind, e.Until = kind, 0
			if e.At = at; kind == history.Granted {
				e.Until = at + 2*time.Second
			}
			events = append(events, e)
			at += 40 * ms
		}
		if i == n/2 {
			events = append(events,
				history.Event{At: at, Client: "1.1", Kind: history.Fault, Detail: "kill"},
				history.Event{At: at, Kind: history.Promoted, Detail: history.Async})
		}
	}
	return events
}

func page(t *testing.T, events []history.Event, violations []check.Violation) string {
	t.Helper()
	var out strings.Builder
	if err := draw.Page(&out, events, violations); err != nil {
		t.Fatal(err)
	}
	wellFormed(t, out.String())
	return out.String()
}

// wellFormed reads the drawings as XML.
func wellFormed(t *testing.T, page string) {
	t.Helper()
	for _, part := range strings.Split(page, "<svg")[1:] {
		svg, _, _ := strings.Cut(part, "</svg>")
		d := xml.NewDecoder(strings.NewReader("<svg" + svg + "</svg>"))
		for {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("a drawing is no XML: %v", err)
			}
		}
	}
}

func TestSurroundingsOfAViolation(t *testing.T) {
	t.Parallel()
	at := 1800 * time.Second
	text := page(t, recorded(), []check.Violation{
		{Kind: check.Overlap, Name: "hot/<a>", Text: "two & two", From: at, To: at + 300*ms, Fences: []uint64{1_018_001}},
		{Kind: check.Ghost, Text: "somebody is left"},
	})
	for _, want := range []string{
		"2 violations", "two &amp; two", "somebody is left", "hot/&lt;a&gt;", `class="band"`, `class="hold bad"`,
		`class="fault"`, `class="promoted"`, "fence 1018001", ">0.1</text>", ">1.1</text>",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("it does not show %s", want)
		}
	}
	if strings.Contains(text, "fence 1000001:") || strings.Contains(text, "fence 1035000:") || len(text) > 100_000 {
		t.Errorf("it shows more than the surroundings, in %d bytes", len(text))
	}
	for _, foreign := range []string{"<script", "http://", "https://"} {
		if strings.Contains(text, foreign) {
			t.Errorf("it needs something from elsewhere: %s", foreign)
		}
	}
}

func TestManyViolations(t *testing.T) {
	t.Parallel()
	var violations []check.Violation
	for i := range 5000 {
		at := time.Duration(i) * 700 * ms
		violations = append(violations, check.Violation{Kind: check.Overlap, Name: "hot/<a>", Text: "x", From: at, To: at + ms})
	}
	text := page(t, recorded(), violations)
	if !strings.Contains(text, "and 4800 more") || strings.Count(text, "<svg") > 40 || len(text) > 20_000_000 {
		t.Errorf("%d drawings in %d bytes", strings.Count(text, "<svg"), len(text))
	}
}

func TestNoViolation(t *testing.T) {
	t.Parallel()
	text := page(t, recorded(), nil)
	if !strings.Contains(text, "No rule was broken") || !strings.Contains(text, "fence 1035999:") || strings.Contains(text, `class="band"`) {
		t.Error("it does not show the end of the history")
	}
	if text := page(t, nil, nil); strings.Contains(text, "<svg") {
		t.Error("a drawing of nothing")
	}
}

func TestFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.html")
	if err := draw.File(path, recorded(), nil); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(path); err != nil || !strings.HasSuffix(string(text), "</html>\n") {
		t.Errorf("%d bytes, %v", len(text), err)
	}
	if err := draw.File(filepath.Join(path, "y"), nil, nil); err == nil {
		t.Error("a file that cannot be made")
	}
}
