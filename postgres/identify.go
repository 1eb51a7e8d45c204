package postgres

import "context"

// Codes of a server that does not tell what it is: no privilege, no such
// function, or a function that the service has switched off.
var untold = []string{codeNoPrivilege, "42883", "0A000"}

// identify finds out which incarnation of the database this is: the system
// identifier here, once, and whether statements may ask for the timeline. What
// the server does not tell is taken to be constant.
func (s *session) identify(ctx context.Context) error {
	const system, timeline = `(SELECT c.system_identifier FROM pg_control_system() AS c)`, timelineSQL
	both, err := s.text(ctx, `SELECT `+system+`, `+timeline)
	if err == nil {
		s.system = both
		return nil
	}
	if !hasCode(err, untold...) {
		return err
	}
	if s.system, err = s.text(ctx, `SELECT `+system); err != nil && !hasCode(err, untold...) {
		return err
	}
	if _, err = s.text(ctx, `SELECT `+timeline); err != nil && !hasCode(err, untold...) {
		return err
	}
	s.blind = err != nil
	return nil
}

// text runs a query in one round trip and returns the first column of its row;
// nil with an error.
func (s *session) text(ctx context.Context, sql string) (*string, error) {
	results, err := s.PgConn().Exec(ctx, sql).ReadAll()
	if err != nil {
		return nil, err
	}
	value := string(results[0].Rows[0][0])
	return &value, nil
}
