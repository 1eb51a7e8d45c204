package postgres

import (
	"testing"

	"go.uber.org/goleak"
)

// Nothing that a Conn starts outlives its Close.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}
