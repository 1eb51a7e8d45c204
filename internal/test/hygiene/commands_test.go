package hygiene_test

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestCommandLinesInDocs gives each leasehold command line of the docs to the
// tool's own parser. Lines that must be refused show that this proves something.
func TestCommandLinesInDocs(t *testing.T) {
	t.Parallel()
	tool := filepath.Join(t.TempDir(), "leasehold")
	run(t, "go", "build", "-o", tool, "./cmd/leasehold")
	for where, args := range commandLines(t) {
		if out, ok := accepts(t, tool, args); !ok {
			t.Errorf("%s: leasehold %q was refused:\n%s", where, args, out)
		}
	}
	for _, line := range []string{"leasehold nonsense", "leasehold ls --nonsense", "leasehold run --ttl never x"} {
		if args, _ := arguments(line); len(args) == 0 {
			t.Errorf("%s was not recognised", line)
		} else if _, ok := accepts(t, tool, args); ok {
			t.Errorf("%s was accepted", line)
		}
	}
}

// accepts runs the tool with --help among the arguments, so that it parses them
// all and does nothing. The help must be the subcommand's.
func accepts(t *testing.T, tool string, args []string) (output string, ok bool) {
	args = slices.Insert(slices.Clone(args), 1, "--help")
	out, err := exec.CommandContext(t.Context(), tool, args...).CombinedOutput()
	return string(out), err == nil && strings.Contains(string(out), "leasehold "+args[0])
}

var inline = regexp.MustCompile("`((?:go run \\./cmd/)?leasehold [^`]+)`")

// commandLines returns the arguments of each command line in the docs.
func commandLines(t *testing.T) map[string][]string {
	found := map[string][]string{}
	fenced, prose := blocks(t)
	for _, b := range fenced {
		if slices.Contains([]string{"go", "sql", "json"}, b.lang) {
			continue
		}
		for line := range strings.Lines(strings.ReplaceAll(b.text, "\\\n", " ")) {
			if args, ok := arguments(line); ok {
				found[b.file+": "+strings.TrimSpace(line)] = args
			}
		}
	}
	for file, text := range prose {
		for _, match := range inline.FindAllStringSubmatch(text, -1) {
			if args, ok := arguments(match[1]); ok {
				found[file+": "+match[1]] = args
			}
		}
	}
	return found
}

var (
	synopsis   = regexp.MustCompile(`\[|…|\.\.\.`)
	word       = regexp.MustCompile(`'[^']*'|(?:[^\s"'|;&<>]|"[^"]*")+|[|;&<>]`)
	skipped    = regexp.MustCompile(`^(\$|#|sudo|exec|@\w+|[\d*/,-]+|\w+=.*)$`)
	separators = "|;&<>"
)

// arguments returns what the tool gets from a line of a shell, of a crontab or
// of a unit file. It returns false where the line does not run the tool, or
// shows its syntax.
func arguments(line string) ([]string, bool) {
	line = strings.TrimPrefix(strings.TrimSpace(line), "ExecStart=")
	words := word.FindAllString(line, -1)
	for len(words) > 0 && skipped.MatchString(words[0]) {
		words = words[1:]
	}
	if len(words) > 2 && words[0] == "go" && words[1] == "run" {
		words = words[2:]
	}
	if len(words) < 2 || filepath.Base(words[0]) != "leasehold" {
		return nil, false
	}
	args := words[1:]
	if end := slices.IndexFunc(args, func(w string) bool { return strings.Contains(separators, w) }); end >= 0 {
		args = args[:end]
	}
	own := args
	if dashes := slices.Index(args, "--"); dashes >= 0 {
		own = args[:dashes]
	}
	if len(own) == 0 || synopsis.MatchString(strings.Join(own, " ")) {
		return nil, false
	}
	for i := range args {
		args[i] = strings.Trim(args[i], `"'`)
	}
	return args, true
}
