package hygiene_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// root is the top directory of the repository.
var root = sync.OnceValue(func() string {
	dir, err := filepath.Abs(".")
	for err == nil {
		if _, err := os.Stat(filepath.Join(dir, "go.work")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			break
		}
		dir = filepath.Dir(dir)
	}
	panic("the tests of the tree run in the tree")
})

// listing is what git tracks or would track.
var listing = sync.OnceValues(func() ([]string, error) {
	cmd := exec.Command("git", "ls-files", "--cached", "--others", "--exclude-standard")
	cmd.Dir = root()
	out, err := cmd.Output()
	files := strings.Fields(string(out))
	slices.Sort(files)
	return slices.Compact(files), err
})

// files returns the paths that end with one of the suffixes, relative to root.
// Those just deleted are left out.
func files(t *testing.T, suffixes ...string) []string {
	t.Helper()
	all, err := listing()
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, path := range all {
		ends := func(suffix string) bool { return strings.HasSuffix(path, suffix) }
		if _, err := os.Stat(filepath.Join(root(), path)); err == nil && slices.ContainsFunc(suffixes, ends) {
			found = append(found, path)
		}
	}
	if len(found) == 0 {
		t.Fatalf("no file ends with any of %q", suffixes)
	}
	return found
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root(), path))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// run runs a program at root and returns its standard output.
func run(t *testing.T, program string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Dir = root()
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", program, args, err, &stderr)
	}
	return string(out)
}
