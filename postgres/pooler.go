package postgres

import "context"

// own returns the server process that a pooler has given to the session for as long as it
// lives. A second connection shows whether there is one. If in doubt there is none: what
// does without one is right in any case, and slower.
func (d *dialer) own(ctx context.Context, s *session) (process uint32, own bool) {
	if d.lending.Load() {
		return 0, false
	}
	ctx, cancel := context.WithTimeout(ctx, d.dialTimeout()/2)
	defer cancel()
	x := &examination{dialer: d}
	second, err := x.connect(ctx)
	if err != nil {
		return 0, false
	}
	defer hangUp(second)
	served, err := servedBy(ctx, s.Conn, second)
	if err != nil {
		return 0, false
	}
	d.lending.Store(lending(served))
	return served[0][0], !lending(served)
}
