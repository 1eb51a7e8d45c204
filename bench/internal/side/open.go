package side

import (
	"context"
	"fmt"

	"github.com/leaseholdgo/leasehold"
)

// The names of the sides that lock.
const (
	Leasehold = "leasehold"
	ByHand    = "table by hand"
	RedsyncOf = "redsync"
	EtcdOf    = "etcd"
)

// Open opens a side by its name. At is the URL of a database, or the address of the
// server.
func Open(ctx context.Context, name, at string, goroutines int) (Side, error) {
	switch name {
	case Leasehold:
		return orNil(OpenPostgres(ctx, at, leasehold.Config{}))
	case ByHand:
		return orNil(OpenTable(ctx, at, goroutines))
	case RedsyncOf:
		return OpenRedsync(at, goroutines), nil
	case EtcdOf:
		return orNil(OpenEtcd(at))
	}
	return nil, fmt.Errorf("there is no side %q", name)
}

// orNil keeps a nil pointer from becoming an interface that is not nil.
func orNil[S Side](s S, err error) (Side, error) {
	if err != nil {
		return nil, err
	}
	return s, nil
}
