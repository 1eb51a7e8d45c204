package postgres

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"
)

// childEnv makes the test program act as the other process of the hand-over
// benchmark: it holds the schema's name.
const childEnv = "LEASEHOLD_TEST_HANDOVER_SCHEMA"

func TestMain(m *testing.M) {
	if schema := os.Getenv(childEnv); schema != "" {
		if err := handoverChild(schema); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m) // nothing that a Conn starts outlives its Close
}
