package side

import (
	"encoding/binary"
	"net"
	"sync/atomic"
	"testing"
)

// message is one of PostgreSQL's protocol; type 0 is the first of a connection.
func message(kind byte, body string) []byte {
	var b []byte
	if kind != 0 {
		b = append(b, kind)
	}
	b = binary.BigEndian.AppendUint32(b, uint32(4+len(body)))
	return append(b, body...)
}

// TestWireCountsStatements, however they are cut into writes.
func TestWireCountsStatements(t *testing.T) {
	t.Parallel()
	var sent []byte
	for _, m := range [][]byte{
		message(0, "EQEQ user"), message('p', "Q"), message('Q', "EEE"), message('P', "E"), message('B', ""),
		message('E', "E\x00"), message('S', ""), message('E', ""), message('S', ""), message('X', ""),
	} {
		sent = append(sent, m...)
	}
	for cut := 1; cut <= len(sent); cut++ {
		var statements atomic.Int64
		w := &wire{Conn: discard{}, statements: &statements}
		for rest := sent; len(rest) > 0; {
			n, err := w.Write(rest[:min(cut, len(rest))])
			if err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		if statements.Load() != 3 {
			t.Errorf("cut after %d bytes: %d statements, not 3", cut, statements.Load())
		}
	}
}

// discard is a connection that takes everything.
type discard struct{ net.Conn }

func (discard) Write(b []byte) (int, error) { return len(b), nil }
