package advisory

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/keyed"
)

var _ keyed.Session = (*Session)(nil)

// Config says how a keyed.Table works on advisory locks. Sessions are made by dial.
func Config(namespace string, fences bool, dial func(ctx context.Context, ttl time.Duration, lost []keyed.Session) (keyed.Session, error)) keyed.Config {
	return keyed.Config{
		Key:      func(name string) string { return text(Key(namespace, name)) },
		Show:     func(key string) string { return strconv.FormatInt(numeric(key), 10) },
		Fences:   fences,
		InFlight: 2,
		Dial:     dial,
	}
}

// errNoRow: the table of fences was emptied.
var errNoRow = errors.New("the table of fences has no row")

// Do implements keyed.Session: with one statement.
func (s *Session) Do(b *keyed.Batch, done func(error)) {
	steps, keys := make([]keyed.Step, 1, 1+len(b.Steps)), make([]int64, 1, 1+len(b.Steps))
	steps = append(steps, b.Steps...)
	for _, key := range b.Keys {
		keys = append(keys, numeric(key))
	}
	var r reply
	u := stepsUnit(steps, keys, b.Fences, &r)
	s.send(&flight{units: []*unit{u}, over: func(ok bool) {
		switch {
		case !ok:
			done(s.Cause())
		case u.err != nil || b.Fences > 0 && r.last == 0:
			done(classify(cmp.Or(u.err, errNoRow)))
		default:
			done(s.fill(b, &r))
		}
	}})
}

// fill puts the reply into the batch.
func (s *Session) fill(b *keyed.Batch, r *reply) error {
	if err := s.check(r); err != nil {
		return err
	}
	b.Done = make([]bool, len(b.Steps))
	for i := range b.Done {
		b.Done[i] = r.done[i+1] == 1
	}
	b.First = r.last - uint64(b.Fences) + 1
	return nil
}

// Visit implements keyed.Session.
func (s *Session) Visit(ctx context.Context, ttl time.Duration) error {
	var r reply
	units := []*unit{stepsUnit([]keyed.Step{whoami}, []int64{0}, 0, &r)}
	if s.raise(ttl) {
		units = append(units, patienceUnit(ttl))
	}
	if err := s.exchange(ctx, units...); err != nil {
		return err
	}
	for _, u := range units {
		if u.err != nil {
			return u.err
		}
	}
	return s.check(&r)
}

// Tidy implements keyed.Session. A key that the session has in both modes it gets back to
// shared.
func (s *Session) Tidy(keys, hide []string) (map[string]keyed.Mode, error) {
	mine, both := map[int64]keyed.Mode{}, map[int64]bool{}
	look := mineUnit(mine, both)
	if err := s.exchange(context.Background(), look); err != nil || look.err != nil {
		return nil, cmp.Or(err, look.err)
	}
	steps, numbers := []keyed.Step{whoami}, []int64{0}
	for key := range both {
		steps, numbers = append(steps, keyed.UnlockExclusive), append(numbers, key)
		mine[key] = keyed.Shared
	}
	for _, key := range hide {
		steps, numbers = append(steps, keyed.Hide), append(numbers, numeric(key))
	}
	clean := stepsUnit(steps, numbers, 0, new(reply))
	if err := s.exchange(context.Background(), clean); err != nil || clean.err != nil {
		return nil, cmp.Or(err, clean.err)
	}
	has := make(map[string]keyed.Mode, len(keys))
	for _, key := range keys {
		has[key] = mine[numeric(key)]
	}
	return has, nil
}

// Others implements keyed.Session.
func (s *Session) Others(ctx context.Context, keys []string) ([]keyed.Other, error) {
	numbers := make([]int64, len(keys))
	for i, key := range keys {
		numbers[i] = numeric(key)
	}
	var found []keyed.Other
	u := &unit{statement: othersName, params: [][]byte{int8Array(numbers)}, row: func(values [][]byte) {
		found = append(found, readOther(values))
	}}
	if err := s.exchange(ctx, u); err != nil {
		return nil, err
	}
	return found, u.err
}

func readOther(values [][]byte) keyed.Other {
	o := keyed.Other{Key: string(values[0]), Shared: values[1][0] == 0, State: keyed.Someone()}
	app := string(values[3])
	o.State.Owner = strings.TrimSpace(fmt.Sprintf("%s (server process %d)", app, binary.BigEndian.Uint32(values[2])))
	o.State.Info = driver.Info{Host: string(values[4]), App: app}
	o.State.Age = time.Duration(math.Float64frombits(binary.BigEndian.Uint64(values[5])) * float64(time.Second))
	return o
}

// codeFull is the SQLSTATE of a server that has no room for another lock.
const codeFull = "53200"

// errFull explains it.
var errFull = errors.New("the server's lock table is full: hold fewer locks, or raise max_locks_per_transaction")

// classify marks the errors that waiting does not cure.
func classify(err error) error {
	var reply *pgconn.PgError
	if !errors.As(err, &reply) {
		return err
	}
	switch {
	case reply.Code == codeFull:
		return driver.Permanent(fmt.Errorf("%w: %w", errFull, err))
	case reply.Code[:2] == "42":
		return driver.Permanent(err)
	}
	return err
}
