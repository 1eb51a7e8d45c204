package hygiene_test

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	link   = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	target = regexp.MustCompile(`(?m)^([a-z0-9.-]+):`)
	makes  = regexp.MustCompile("(?m)(?:`|^(?:\\$ )?)make ([a-z0-9. -]+)")
)

func TestLinksLeadSomewhere(t *testing.T) {
	t.Parallel()
	_, prose := blocks(t)
	for file, text := range prose {
		for _, match := range link.FindAllStringSubmatch(text, -1) {
			to, anchor, _ := strings.Cut(match[1], "#")
			if strings.Contains(to, "://") || strings.HasPrefix(to, "mailto:") {
				continue
			}
			aim := file
			if to != "" {
				aim = path.Join(path.Dir(file), to)
			}
			if _, err := os.Stat(filepath.Join(root(), aim)); err != nil {
				t.Errorf("%s links to %s, which does not exist", file, match[1])
			} else if anchor != "" && !anchors(read(t, aim))[anchor] {
				t.Errorf("%s links to %s, which has no such heading", file, match[1])
			}
		}
	}
}

func TestMakeTargetsInDocsExist(t *testing.T) {
	t.Parallel()
	exists := map[string]bool{}
	for _, match := range target.FindAllStringSubmatch(read(t, "Makefile"), -1) {
		exists[match[1]] = true
	}
	fenced, prose := blocks(t)
	texts := []string{read(t, ".ci/run")}
	for _, b := range fenced {
		texts = append(texts, b.text)
	}
	for _, text := range prose {
		texts = append(texts, text)
	}
	for _, text := range texts {
		for _, match := range makes.FindAllStringSubmatch(text, -1) {
			for name := range strings.FieldsSeq(match[1]) {
				if !exists[name] {
					t.Errorf("the docs say %q, and the Makefile has no target %s", match[0], name)
				}
			}
		}
	}
}

// TestGoInDocsIsInTheCode finds each Go block of the docs, apart from its
// indentation, in a Go file of the tree, which make check compiles.
func TestGoInDocsIsInTheCode(t *testing.T) {
	t.Parallel()
	var code strings.Builder
	for _, file := range files(t, ".go") {
		code.WriteString("\n" + squeeze(read(t, file)))
	}
	fenced, _ := blocks(t)
	for _, b := range fenced {
		if b.lang == "go" && !strings.Contains(code.String(), "\n"+squeeze(b.text)) {
			t.Errorf("%s:%d: this block is in no Go file of the repository:\n%s", b.file, b.line, b.text)
		}
	}
}

// squeeze removes indentation and empty lines.
func squeeze(text string) string {
	var out strings.Builder
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			out.WriteString(line + "\n")
		}
	}
	return out.String()
}

// TestReadmeStartsWithTheTwoCommands keeps the first screen what it promises.
func TestReadmeStartsWithTheTwoCommands(t *testing.T) {
	t.Parallel()
	lines := strings.Split(read(t, "README.md"), "\n")
	screen := strings.Join(lines[:min(40, len(lines))], "\n")
	for _, command := range []string{
		"go run ./cmd/leasehold run nightly -- echo \"I hold the lock\"\n",
		"make test\n",
	} {
		if !strings.Contains(screen, command) {
			t.Errorf("the README's first screen lacks %q", command)
		}
	}
}
