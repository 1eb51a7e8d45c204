package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/driver"
)

// errSignal ends an attempt because of the signal of that number.
type errSignal int

func (e errSignal) Error() string { return fmt.Sprintf("ended by signal %d", int(e)) }

// exitOf returns the exit status for an attempt that failed, and its line.
func exitOf(err error, j job) (int, string) {
	var ended errSignal
	switch {
	case errors.As(err, &ended):
		return statusSignal + int(ended), ""
	case errors.Is(err, leasehold.ErrHeld):
		return j.HeldStatus, heldLine(err)
	default:
		f := explain(err)
		return f.status, f.text
	}
}

// heldLine names the holder.
func heldLine(err error) string {
	held, ok := errors.AsType[*leasehold.HeldError](err)
	if !ok {
		return err.Error()
	}
	line := fmt.Sprintf("%q is held by %s", held.Name, held.Holder)
	if held.Kept > 0 {
		line = fmt.Sprintf("%q stays taken for another %v, the minimum hold of its last holder", held.Name, held.Kept.Round(time.Millisecond))
	}
	if held.Cause != nil {
		line += "; gave up waiting"
	}
	return line
}

// lossLine says which lock was lost, if one was before the others, and why.
func lossLine(err error, j job) string {
	which, reason := j.locks(), err
	if lost, ok := errors.AsType[*leasehold.LostError](err); ok {
		which, reason = fmt.Sprintf("lock %q", lost.Name), lost.Reason
	}
	return fmt.Sprintf("%s lost: %v; the command was ended", which, reason)
}

// plain returns the first line of an error, without what the line around it says.
func plain(err error) string {
	text, _, _ := strings.Cut(err.Error(), "\n")
	for _, said := range []string{"leasehold: ", leasehold.ErrUnavailable.Error() + ": "} {
		text = strings.ReplaceAll(text, said, "")
	}
	return text
}

// explain gives an error of the library or of a store its exit status.
func explain(err error) *failure {
	if f, ok := errors.AsType[*failure](err); ok {
		return f
	}
	if mode, ok := errors.AsType[*leasehold.ModeError](err); ok {
		return disagreement(mode)
	}
	text := plain(err)
	switch {
	case errors.Is(err, leasehold.ErrUnsupported):
		return &failure{statusConfig, "this database cannot do that: " + text}
	case errors.Is(err, leasehold.ErrInvalid), errors.Is(err, leasehold.ErrNotHeld):
		return &failure{statusUsage, text}
	case driver.IsPermanent(err):
		return &failure{statusConfig, "unusable database: " + text}
	default:
		return &failure{statusUnavailable, "database unreachable: " + text}
	}
}

// disagreement is a mistake in one of two command lines, which no waiting cures: it
// must not look like a lock that is held, for which -E may stand for success.
func disagreement(e *leasehold.ModeError) *failure {
	remedy := fmt.Sprintf("give --permits %d, as the others do", e.Limit)
	if e.Limit == 0 {
		remedy = "leave out --permits, as the others do"
	}
	return misused("%q is in use %s, not %s: %s, or change it everywhere, which works when nobody holds or awaits it",
		e.Name, use(e.Limit), use(e.Asked), remedy)
}

// use says how a name is used: with that many permits, or with 0 as a lock.
func use(permits int) string {
	switch permits {
	case 0:
		return "as a lock"
	case 1:
		return "with 1 permit"
	default:
		return fmt.Sprintf("with %d permits", permits)
	}
}
