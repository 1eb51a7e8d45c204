//go:build !mutation

package mutation

// On reports false: this build has no mutations. The compiler removes what depends on
// it.
func On(Name) bool { return false }
