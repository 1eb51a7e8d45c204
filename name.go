package leasehold

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// MaxName is the greatest length of a name in bytes.
const MaxName = 1024

// CheckName returns an error that matches ErrInvalid if name cannot be locked.
// Any UTF-8 string of 1 to MaxName bytes without a NUL can; names are compared
// byte by byte, so "a", "A", "a " and "á" are four names, and "á" in two Unicode
// forms is two.
func CheckName(name string) error {
	switch {
	case name == "":
		return fmt.Errorf("%w name: it is empty", ErrInvalid)
	case len(name) > MaxName:
		return fmt.Errorf("%w name: %d bytes, the most is %d", ErrInvalid, len(name), MaxName)
	case strings.IndexByte(name, 0) >= 0:
		return fmt.Errorf("%w name %q: it has a NUL", ErrInvalid, name)
	case !utf8.ValidString(name):
		return fmt.Errorf("%w name %q: not valid UTF-8", ErrInvalid, name)
	}
	return nil
}
