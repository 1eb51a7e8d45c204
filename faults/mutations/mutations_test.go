package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/leaseholdgo/leasehold/internal/mutation"
)

// build builds a program, and returns where it is.
func build(t *testing.T, args ...string) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "program")
	out, err := exec.CommandContext(t.Context(), "go", append([]string{"build", "-o", program}, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("go build %v: %v\n%s", args, err, out)
	}
	return program
}

// TestEveryMutationIsCaught prints the table of docs/faults.md.
func TestEveryMutationIsCaught(t *testing.T) {
	t.Parallel()
	out, err := exec.CommandContext(t.Context(), build(t, "-tags", "mutation", ".")).CombinedOutput()
	t.Logf("\n%s", out)
	if err != nil {
		t.Error(err)
	}
}

// TestNoProgramHasMutations looks for their names in the tool: the compiler has removed
// them together with what they would do. In a program that has them they are found.
func TestNoProgramHasMutations(t *testing.T) {
	t.Parallel()
	const module = "github.com/leaseholdgo/leasehold"
	tool, err := os.ReadFile(build(t, module+"/cmd/leasehold"))
	if err != nil {
		t.Fatal(err)
	}
	mutant, err := os.ReadFile(build(t, "-tags", "mutation", module+"/faults/mutations"))
	if err != nil {
		t.Fatal(err)
	}
	words := []string{"LEASEHOLD_MUTATION", "there is no mutation"}
	for _, name := range mutation.All() {
		words = append(words, string(name))
	}
	for _, word := range words {
		if bytes.Contains(tool, []byte(word)) {
			t.Errorf("the tool contains %q", word)
		}
		if !bytes.Contains(mutant, []byte(word)) {
			t.Errorf("a program with mutations does not contain %q", word)
		}
	}
}
