package postgres

import "context"

// maxRecords bounds how often one call records a new incarnation and tries
// again. Once is enough unless the database is failed over within the call.
const maxRecords = 3

// recordEpoch records the incarnation that s is connected to, unless another
// client did so first, and returns its number.
func (s *session) recordEpoch(ctx context.Context, sql *statements) (uint64, error) {
	if _, err := s.Exec(ctx, sql.recordEpoch, s.system); err != nil {
		return 0, err
	}
	m, err := s.readMeta(ctx, sql)
	return m.epoch, err
}

// granting runs attempt, a statement that grants, until it reports that it was
// judged against the incarnation it ran on, recording that one if it is new.
func (s *session) granting(ctx context.Context, sql *statements, attempt func() (same bool, err error)) error {
	for range maxRecords {
		same, err := attempt()
		if err != nil || same {
			return err
		}
		if _, err := s.recordEpoch(ctx, sql); err != nil {
			return err
		}
	}
	return errNotGranting
}

// meta is what the schema says about itself.
type meta struct {
	version, protocol, oldest int
	maxTTL                    int64 // ms
	epoch                     uint64
	same                      bool // the epoch is that of this server
}

// readMeta returns pgx.ErrNoRows, wrapped, if the rows are missing.
func (s *session) readMeta(ctx context.Context, sql *statements) (meta, error) {
	var m meta
	err := s.QueryRow(ctx, sql.readMeta, s.system).
		Scan(&m.version, &m.protocol, &m.oldest, &m.maxTTL, &m.epoch, &m.same)
	return m, err
}
