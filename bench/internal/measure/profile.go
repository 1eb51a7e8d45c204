package measure

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/pprof"
)

// profile gives our side a few turns more, which do not count, and records where the
// processor's time goes.
func (a *arena) profile(ctx context.Context) (err error) {
	if a.env.Profile == "" {
		return nil
	}
	f, err := os.Create(filepath.Join(a.env.Profile, fmt.Sprintf("cycle_g%d.pprof", a.goroutines)))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := pprof.StartCPUProfile(f); err != nil {
		return err
	}
	defer pprof.StopCPUProfile()
	_, err = a.env.contest(ctx, 10, a.sides[:1])
	return err
}
