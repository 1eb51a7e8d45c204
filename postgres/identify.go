package postgres

import (
	"cmp"
	"context"
)

// Codes of a server that does not tell what it is: no privilege, no such
// function, or a function that the service has switched off.
var untold = []string{codeNoPrivilege, "42883", "0A000"}

// systemSQL reads the server's system identifier.
const systemSQL = `(SELECT c.system_identifier::text FROM pg_control_system() AS c)`

// identify finds out which incarnation of the database this is: the system
// identifier here, once, and whether statements may ask for the timeline. What
// the server does not tell is taken to be constant.
func (s *session) identify(ctx context.Context) error {
	both, err := s.texts(ctx, `SELECT `+systemSQL+`, `+timelineSQL)
	if err == nil {
		s.system, s.timeline = &both[0], &both[1]
		return nil
	}
	if !hasCode(err, untold...) {
		return err
	}
	one, err := s.texts(ctx, `SELECT `+systemSQL)
	switch {
	case err == nil:
		s.system = &one[0]
	case !hasCode(err, untold...):
		return err
	}
	one, err = s.texts(ctx, `SELECT `+timelineSQL)
	switch {
	case err == nil:
		s.timeline = &one[0]
	case !hasCode(err, untold...):
		return err
	}
	s.blind = s.timeline == nil
	return nil
}

// texts runs a query in one round trip and returns the columns of its row.
func (s *session) texts(ctx context.Context, sql string) ([]string, error) {
	if s.lent != nil {
		c := s.single(ctx, sql, nil)
		if !c.Next() {
			return nil, cmp.Or(c.err, errNoRows)
		}
		return textsOf(c.RawValues()), nil // of texts
	}
	results, err := s.PgConn().Exec(ctx, sql).ReadAll()
	if err != nil {
		return nil, err
	}
	return textsOf(results[0].Rows[0]), nil
}

func textsOf(values [][]byte) []string {
	row := make([]string, len(values))
	for i, value := range values {
		row[i] = string(value)
	}
	return row
}
