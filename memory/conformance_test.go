package memory_test

import (
	"testing"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/drivertest"
	"github.com/leaseholdgo/leasehold/memory"
)

func TestConformance(t *testing.T) {
	drivertest.Run(t, drivertest.Harness{
		Open:    func(*testing.T) driver.Store { return memory.New() },
		MaxTTL:  time.Minute,
		Listens: true,
	})
}
