package postgres

import (
	"fmt"
	"os"
	"sync/atomic"
	"testing"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/drivertest"
)

var namespaces atomic.Int64

// testNamespace returns a namespace that nobody else uses: advisory locks are those of
// the whole database.
func testNamespace() string {
	return fmt.Sprintf("test %d %d", os.Getpid(), namespaces.Add(1))
}

func TestSessionConformance(t *testing.T) {
	t.Parallel()
	drivertest.Run(t, drivertest.Harness{
		Open: func(t *testing.T) driver.Store {
			return NewSession(testPool(t), SessionConfig{Schema: testSchema(t), Namespace: testNamespace()})
		},
		Listens: true,
		Lacks:   drivertest.Lacks{Permits: true, MinHold: true, Fixed: true, Data: true},
	})
}
