package hygiene_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

const modulePath = "github.com/leaseholdgo/leasehold"

// goMod is what we look at in a go.mod file.
type goMod struct {
	Go        string
	Toolchain string
	Require   []struct{ Path string }
	Replace   []struct{ Old, New struct{ Path string } }
	Tool      []struct{ Path string }
}

func readGoMod(t *testing.T, path string) goMod {
	t.Helper()
	var m goMod
	if err := json.Unmarshal([]byte(run(t, "go", "mod", "edit", "-json", path)), &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestRootModuleHasNoRequirements(t *testing.T) {
	t.Parallel()
	m := readGoMod(t, "go.mod")
	if len(m.Require)+len(m.Replace)+len(m.Tool) > 0 || m.Toolchain != "" {
		t.Errorf("the root module's go.mod has more than a path and a Go release: %+v", m)
	}
}

// imported are the modules that users import: they declare the older of the two
// supported Go releases.
var imported = []string{"go.mod", "mysql/go.mod", "postgres/go.mod", "sqlite/go.mod"}

func TestGoReleases(t *testing.T) {
	t.Parallel()
	for _, path := range files(t, "go.mod") {
		want := "1.26.0"
		if slices.Contains(imported, path) {
			want = "1.25.0"
		}
		if m := readGoMod(t, path); m.Go != want || m.Toolchain != "" {
			t.Errorf("%s declares go %s and toolchain %q, not go %s alone", path, m.Go, m.Toolchain, want)
		}
	}
}

func TestOnlyTheTestModuleHasTools(t *testing.T) {
	t.Parallel()
	for _, path := range files(t, "go.mod") {
		if m := readGoMod(t, path); len(m.Tool) > 0 && path != "internal/test/go.mod" {
			t.Errorf("%s has tools", path)
		}
	}
}

func TestEveryModuleIsInTheWorkspaceAndReplacesOurs(t *testing.T) {
	t.Parallel()
	workspace := run(t, "go", "list", "-m")
	for _, path := range files(t, "go.mod") {
		module := strings.TrimSuffix(modulePath+"/"+strings.TrimSuffix(path, "go.mod"), "/")
		if !slices.Contains(strings.Fields(workspace), module) {
			t.Errorf("go.work lacks %s", module)
		}
		m := readGoMod(t, path)
		for _, r := range m.Require {
			if !strings.HasPrefix(r.Path, modulePath) {
				continue
			}
			if !slices.ContainsFunc(m.Replace, func(p struct{ Old, New struct{ Path string } }) bool {
				return p.Old.Path == r.Path && strings.HasPrefix(p.New.Path, ".")
			}) {
				t.Errorf("%s requires %s without a replace by a folder", path, r.Path)
			}
		}
	}
}

// dependencies returns everything that goes into the packages' builds.
func dependencies(t *testing.T, packages ...string) []string {
	t.Helper()
	return strings.Fields(run(t, "go", append([]string{"list", "-deps"}, packages...)...))
}

// TestDependencies says which way imports point, and what is never linked into a
// user's program.
func TestDependencies(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ pkg, never, reason string }{
		{"./driver", modulePath, "backends are below the root package"},
		{"./internal/machine", modulePath, "the specification is below everything"},
		{"./memory", modulePath, "it tests users' code, and imports only driver"},
		{".", modulePath + "/memory", "the root package knows no backend"},
		{".", "database/sql", "the root package knows no database"},
		{".", "testing", "no test code in users' programs"},
		{"./memory", "testing", "no test code in users' programs"},
		{"./sqlite", "testing", "no test code in users' programs"},
		{"./postgres", "testing", "no test code in users' programs"},
		{"./mysql", "testing", "no test code in users' programs"},
		{"./cmd/leasehold", "testing", "no test code in the tool"},
		{"./sqlite", "github.com/jackc/pgx/v5", "a user of one backend compiles one driver"},
		{"./postgres", "modernc.org/sqlite", "a user of one backend compiles one driver"},
		{"./mysql", "modernc.org/sqlite", "a user of one backend compiles one driver"},
		{"./mysql", "github.com/jackc/pgx/v5", "a user of one backend compiles one driver"},
	} {
		if slices.Contains(dependencies(t, test.pkg), test.never) {
			t.Errorf("%s depends on %s: %s", test.pkg, test.never, test.reason)
		}
	}
}
