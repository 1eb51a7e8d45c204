package mysql

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/leaseholdgo/leasehold/internal/backoff"
	"github.com/leaseholdgo/leasehold/internal/keyed"
)

// Each step is an expression that yields 0 or 1 (2: the server does not know), so many
// steps are one expression, which the server computes from left to right. Who waits for a
// lock shows that by another, under its name and a suffix: one of those who wait, that is.
var stepSQL = map[keyed.Step]string{
	keyed.TryExclusive:    "IFNULL(GET_LOCK('%s', 0), 2)",
	keyed.UnlockExclusive: "IFNULL(RELEASE_LOCK('%s'), 2)",
	keyed.Show:            "IFNULL(GET_LOCK('%s" + waitSuffix + "', 0), 2)",
	keyed.Hide:            "IFNULL(RELEASE_LOCK('%s" + waitSuffix + "'), 2)",
	keyed.Unguarded:       "1%.0s", // it is looked at afterwards
	keyed.Wanted:          "IFNULL(IS_USED_LOCK('%s" + waitSuffix + "') <> CONNECTION_ID(), 0)",
}

const waitSuffix = ":w"

// stepsSQL returns the statement that does the steps and tells which connection did.
func stepsSQL(steps []keyed.Step, keys []string) string {
	var text strings.Builder
	text.WriteString("SELECT CONNECTION_ID(), CONCAT(''")
	for i, step := range steps {
		text.WriteString(", ")
		fmt.Fprintf(&text, stepSQL[step], keys[i])
	}
	text.WriteString(")")
	return text.String()
}

// steps does the steps on the connection that holds the locks.
func (h *named) steps(ctx context.Context, s *session, steps []keyed.Step, keys []string) ([]bool, error) {
	var id int64
	var reply string
	if err := s.run(ctx, statement{stepsSQL(steps, keys), row(&id, &reply)}); err != nil {
		return nil, err
	}
	if err := h.checkID(id); err != nil {
		return nil, err
	}
	if len(reply) != len(steps) {
		return nil, fmt.Errorf("the server answered %d of %d steps", len(reply), len(steps))
	}
	done := make([]bool, len(steps))
	for i := range done {
		done[i] = reply[i] == '1'
	}
	return done, nil
}

// checkID ends the session if another connection of the server's answered.
func (h *named) checkID(id int64) error {
	if id == h.id {
		return nil
	}
	err := fmt.Errorf("%w (connection %d answered instead of %d)", errPooler, id, h.id)
	h.Fail(err)
	return err
}

// ask asks the server whether the session is there.
func (h *named) ask(ctx context.Context, s *session) error {
	_, err := h.steps(ctx, s, nil, nil)
	return err
}

// Do implements keyed.Session: with one statement, and on another connection one that looks
// for guards of the locks that were taken and one that draws fences.
func (h *named) Do(b *keyed.Batch, done func(error)) {
	h.give(&errand{
		do: func(ctx context.Context, s *session) (err error) {
			b.Done, err = h.steps(ctx, s, b.Steps, b.Keys)
			return err
		},
		done: func(err error) {
			if err != nil || !draws(b) && len(h.looks(b)) == 0 {
				done(classify(err))
				return
			}
			h.wg.Go(func() { done(classify(h.follow(b))) })
		},
	})
}

// follow does what follows the steps.
func (h *named) follow(b *keyed.Batch) error {
	ctx, cancel := context.WithTimeout(h.ctx, h.bound())
	defer cancel()
	var back []string
	err := h.side.use(ctx, func(ctx context.Context, s *session) error {
		if steps := h.looks(b); len(steps) > 0 {
			keys := make([]string, len(steps))
			for i, n := range steps {
				keys[i] = b.Keys[n]
			}
			guarded, err := h.guarded(ctx, s, keys)
			if err != nil {
				return err
			}
			back = refuse(b, steps, guarded)
		}
		return h.draw(ctx, s, b)
	})
	if err != nil || len(back) == 0 {
		return err
	}
	return h.exchange(ctx, func(ctx context.Context, s *session) error {
		_, err := h.steps(ctx, s, slices.Repeat([]keyed.Step{keyed.UnlockExclusive}, len(back)), back)
		return err
	})
}

// draws reports whether fences are needed.
func draws(b *keyed.Batch) bool {
	return b.Fences > 0 && slices.ContainsFunc(b.Draws, func(i int) bool { return i < 0 || b.Done[i] })
}

var errNoRow = errors.New("the table of fences has no row")

// draw draws the batch's fences, if they are needed: by an update of one row, whose new
// version is computed when that row is locked. The clock is that of the statement's begin.
func (h *named) draw(ctx context.Context, s *session, b *keyed.Batch) error {
	if !draws(b) {
		return nil
	}
	count, last, err := s.prepared(ctx, "UPDATE "+h.fences+
		" SET last = LAST_INSERT_ID(GREATEST(last + 1, "+clockSQL+") + ? - 1) WHERE one = 1", b.Fences)
	if err == nil && count != 1 {
		err = errNoRow
	}
	b.First = uint64(last) - uint64(b.Fences) + 1
	return err
}

// Visit implements keyed.Session.
func (h *named) Visit(ctx context.Context, ttl time.Duration) error {
	do := h.ask
	if h.raise(ttl) {
		do = func(ctx context.Context, s *session) error {
			if err := s.run(ctx, plain(patienceSQL(ttl))...); err != nil {
				return err
			}
			return h.ask(ctx, s)
		}
	}
	return h.exchange(ctx, again(do))
}

// raise makes the session at least as patient as given. It reports whether it was not.
func (h *named) raise(patience time.Duration) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	raised := patience > h.patience
	h.patience = max(h.patience, patience)
	return raised
}

// Tidy implements keyed.Session.
func (h *named) Tidy(keys, hide []string) (map[string]keyed.Mode, error) {
	has := make(map[string]keyed.Mode, len(keys))
	err := h.exchange(context.Background(), again(func(ctx context.Context, s *session) error {
		if _, err := h.steps(ctx, s, slices.Repeat([]keyed.Step{keyed.Hide}, len(hide)), hide); err != nil {
			return err
		}
		users, err := s.users(ctx, keys)
		for i, id := range users {
			if id == h.id {
				has[keys[i]] = keyed.Exclusive
			}
		}
		return err
	}))
	return has, err
}

// again repeats what was cancelled at the server, for as long as its context lasts.
func again(do func(context.Context, *session) error) func(context.Context, *session) error {
	return func(ctx context.Context, s *session) error {
		for {
			err := do(ctx, s)
			if !hasCode(err, codeInterrupted, codeStatementTimeout) || !backoff.Sleep(ctx, time.Millisecond) {
				return err
			}
		}
	}
}
