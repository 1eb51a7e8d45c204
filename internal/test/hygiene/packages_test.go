package hygiene_test

import (
	"go/parser"
	"go/token"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestEveryPackageHasOnePackageDoc(t *testing.T) {
	t.Parallel()
	docs := map[string][]string{} // files with a package doc, by directory
	for _, file := range files(t, ".go") {
		if strings.HasSuffix(file, "_test.go") || strings.Contains(file, "testdata/") {
			continue
		}
		dir := path.Dir(file)
		parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root(), file), nil,
			parser.ParseComments|parser.PackageClauseOnly)
		if err != nil {
			t.Error(err)
			continue
		}
		if _, ok := docs[dir]; !ok {
			docs[dir] = nil
		}
		if parsed.Doc != nil {
			docs[dir] = append(docs[dir], file)
		}
	}
	for dir, found := range docs {
		if len(found) != 1 {
			t.Errorf("package %s has package docs in %q, not in one file", dir, found)
		}
	}
}

// TestFilesHoldOneConcept is the cheap end of a rule that takes judgement.
func TestFilesHoldOneConcept(t *testing.T) {
	t.Parallel()
	vague := regexp.MustCompile(`(?i)(manager|util|common|helper|token|heartbeat)`)
	for _, file := range files(t, ".go") {
		if vague.MatchString(file) {
			t.Errorf("%s: a file or folder is named after one concept, in the words of the design", file)
		}
		if n := strings.Count(read(t, file), "\n"); n > 500 {
			t.Errorf("%s has %d lines, more than 500", file, n)
		}
	}
}
