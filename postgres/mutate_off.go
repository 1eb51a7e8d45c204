//go:build !mutation

package postgres

// mutated returns the text of the statement as it is: this build has no mutations.
func mutated(_, text string) string { return text }
