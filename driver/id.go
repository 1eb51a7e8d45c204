package driver

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
)

// ID is a random 128-bit identifier, of a lease or of a ticket. It is never
// drawn from a sequence: a promoted standby would issue the same values again.
type ID [16]byte

// NewID returns a new random ID.
func NewID() ID {
	var id ID
	_, _ = rand.Read(id[:]) // documented never to fail
	return id
}

// ParseID reads the 32 hexadecimal digits that String writes.
func ParseID(s string) (ID, error) {
	var id ID
	if len(s) != hex.EncodedLen(len(id)) {
		return ID{}, fmt.Errorf("leasehold: an id has 32 hexadecimal digits, not %d characters", len(s))
	}
	if _, err := hex.Decode(id[:], []byte(s)); err != nil {
		return ID{}, fmt.Errorf("leasehold: not an id: %w", err)
	}
	return id, nil
}

// String returns id as 32 hexadecimal digits.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// IsZero reports whether id is the zero ID, which names nothing.
func (id ID) IsZero() bool { return id == ID{} }
