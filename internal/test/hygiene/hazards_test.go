package hygiene_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// hazards is how many failures of other systems docs/hazards.md lists.
const hazards = 50

// later are the hazards whose mechanism does not exist in the product so far:
// a row may then say that it is planned.
var later = []int{33, 34, 35, 36, 37, 39, 43, 50}

// TestHazardsAreTested holds docs/hazards.md against the code: each hazard has
// one table row, which begins with its number, and which names the tests for it
// or says why it is exempt; every test so named exists, and every test named
// after a hazard is in that hazard's row.
func TestHazardsAreTested(t *testing.T) {
	t.Parallel()
	tests, rows := hazardTests(t), hazardRows(t)
	for number := 1; number <= hazards; number++ {
		row, ok := rows[number]
		if !ok {
			t.Errorf("docs/hazards.md has no row for hazard %d", number)
			continue
		}
		named := hazardName.FindAllString(row, -1)
		for _, name := range named {
			if !strings.Contains(name, fmt.Sprintf("Hazard%02d_", number)) || !slices.Contains(tests[number], name) {
				t.Errorf("hazard %d: there is no test %s of it", number, name)
			}
		}
		for _, name := range tests[number] {
			if !slices.Contains(named, name) {
				t.Errorf("hazard %d: docs/hazards.md does not name %s", number, name)
			}
		}
		if len(named) == 0 && !excused(number, row) {
			t.Errorf("hazard %d has no test and no reason for it: %s", number, row)
		}
	}
}

func excused(number int, row string) bool {
	row = strings.ToLower(row)
	return strings.Contains(row, "exempt") || slices.Contains(later, number) && strings.Contains(row, "planned")
}

var (
	hazardName = regexp.MustCompile(`\b(?:Test)?Hazard\d\d_\w+`)
	hazardRow  = regexp.MustCompile(`(?m)^\|\s*(\d+)\.?\s*\|.*$`)
)

func hazardRows(t *testing.T) map[int]string {
	rows := map[int]string{}
	for _, match := range hazardRow.FindAllStringSubmatch(read(t, "docs/hazards.md"), -1) {
		number, err := strconv.Atoi(match[1])
		if err != nil || rows[number] != "" {
			t.Errorf("docs/hazards.md: hazard %s has two rows", match[1])
		}
		rows[number] = match[0]
	}
	return rows
}

// hazardTests returns the names of functions and of subtests, by hazard.
func hazardTests(t *testing.T) map[int][]string {
	tests := map[int][]string{}
	add := func(name string) {
		if name == "" || hazardName.FindString(name) != name {
			return
		}
		number, _ := strconv.Atoi(strings.TrimPrefix(strings.TrimPrefix(name, "Test"), "Hazard")[:2])
		if !slices.Contains(tests[number], name) {
			tests[number] = append(tests[number], name)
		}
	}
	for _, file := range files(t, ".go") {
		parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root(), file), nil, 0)
		if err != nil {
			t.Error(err)
			continue
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				add(n.Name.Name)
			case *ast.BasicLit:
				add(strings.Trim(n.Value, "\"`"))
			}
			return true
		})
	}
	return tests
}
