package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/diagnosis"
)

// ask returns the one value that a query yields.
func ask[T any](ctx context.Context, x *examination, query string) (T, error) {
	return do(ctx, x.conn, x.conn.reader, func() (value T, err error) {
		err = x.conn.reader.row(query).Scan(&value)
		return value, err
	})
}

func (x *examination) journal(ctx context.Context) (driver.Finding, error) {
	mode, err := ask[string](ctx, x, `PRAGMA journal_mode`)
	switch {
	case err != nil:
		return driver.Finding{}, err
	case mode != "wal": // one given as a *sql.DB would have been refused
		return diagnosis.OK("%s: the first client sets it to wal", mode), nil
	}
	return diagnosis.OK("wal"), nil
}

// levels are the values of PRAGMA synchronous.
var levels = []string{"off", "normal", "full", "extra"}

// synchronous looks at our own connections, and at the caller's, whose guarded
// transactions are as durable as they are told to be.
func (x *examination) synchronous(ctx context.Context) (driver.Finding, error) {
	ours, err := ask[int](ctx, x, `PRAGMA synchronous`)
	if err != nil {
		return driver.Finding{}, err
	}
	const full = 2
	if ours < full {
		return diagnosis.Problem("use the library as it is", "our own connections have synchronous=%s", levels[ours]), nil
	}
	if x.store.db != nil {
		var theirs int
		if err := x.store.db.QueryRowContext(ctx, `PRAGMA synchronous`).Scan(&theirs); err != nil {
			return driver.Finding{}, err
		}
		if theirs < full {
			return diagnosis.Warning("PRAGMA synchronous = FULL on the connections that guard",
				"the connections given have synchronous=%s: a guarded transaction may be lost in a power failure", levels[theirs]), nil
		}
	}
	return diagnosis.OK("%s on our own connections", levels[ours]), nil
}

func (x *examination) schema(ctx context.Context) (driver.Finding, error) {
	m, err := do(ctx, x.conn, x.conn.reader, func() (meta, error) { return current(x.conn.reader) })
	switch {
	case err != nil:
		return driver.Finding{}, err
	case m.version == 0:
		return diagnosis.OK("no tables yet: the first client makes them"), nil
	case m.protocol > protocol:
		return diagnosis.Problem("use a newer program", "the tables are of protocol %d and this program speaks %d", m.protocol, protocol), nil
	case m.version < latest():
		return diagnosis.OK("version %d: the next client brings it to %d", m.version, latest()), nil
	}
	x.meta = m
	return diagnosis.OK("version %d, protocol %d; no TTL above %v", m.version, m.protocol, m.maxTTL), nil
}

// integrity checks our own tables: others in the file may be large.
func (x *examination) integrity(ctx context.Context) (driver.Finding, error) {
	if x.meta.version == 0 {
		return driver.Finding{}, nil
	}
	for _, table := range []string{"leasehold_meta", "leasehold_lease", "leasehold_lock"} {
		verdict, err := ask[string](ctx, x, fmt.Sprintf(`PRAGMA quick_check(%s)`, table))
		if err != nil {
			return driver.Finding{}, err
		}
		if verdict != "ok" {
			return diagnosis.Problem("restore the file, or move it away to begin anew", "%s is damaged: %.100s", table, verdict), nil
		}
	}
	return diagnosis.OK("our tables pass quick_check"), nil
}

// leases counts those of clients that died.
func (x *examination) leases(ctx context.Context) (driver.Finding, error) {
	if x.meta.version == 0 {
		return driver.Finding{}, nil
	}
	ids, err := do(ctx, x.conn, x.conn.reader, func() ([]driver.ID, error) {
		return inTx(x.conn.reader, x.all)
	})
	if err != nil {
		return driver.Finding{}, err
	}
	dead := 0
	for _, id := range ids {
		if !x.conn.leases.alive(id) {
			dead++
		}
	}
	return diagnosis.OK("%d of clients that live; %d of dead ones, whose locks are free to whoever asks", len(ids)-dead, dead), nil
}

// all returns the leases that there are rows of.
func (x *examination) all(tx *tx) ([]driver.ID, error) {
	rows, err := tx.query(`SELECT id FROM leasehold_lease`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var ids []driver.ID
	for rows.Next() {
		var b sql.RawBytes
		if err := rows.Scan(&b); err != nil {
			return nil, err
		}
		if len(b) != idSize {
			return nil, corrupt("lease", string(b), "the id")
		}
		ids = append(ids, driver.ID(b))
	}
	return ids, rows.Err()
}

// largeLog is a size that the write-ahead log reaches only if something keeps it from
// being written back.
const largeLog = 64 << 20

func (x *examination) size(context.Context) (driver.Finding, error) {
	var log int64
	if info, err := os.Stat(x.path + "-wal"); err == nil {
		log = info.Size()
	}
	return sizeFinding(x.info.Size(), log), nil
}

func sizeFinding(file, log int64) driver.Finding {
	const mega = 1 << 20
	if log > largeLog {
		return diagnosis.Warning("end the transaction that some program has open on the file",
			"the write-ahead log has %d MB: it is not written back", log/mega)
	}
	return diagnosis.OK("%.1f MB, and %.1f MB of write-ahead log", float64(file)/mega, float64(log)/mega)
}

const (
	commitTries = 10
	slowCommit  = 250 * time.Millisecond
)

// commitLatency times durable commits. In each a row is changed and changed back: one
// that is only written as it was would not be written at all.
func (x *examination) commitLatency(ctx context.Context) (driver.Finding, error) {
	if x.meta.version == 0 {
		return driver.Finding{}, nil
	}
	var took []time.Duration
	for begin := time.Now(); len(took) < commitTries && time.Since(begin) < checkLimit/2; {
		start := time.Now()
		_, err := write(ctx, x.conn, func(tx *tx) (struct{}, error) {
			return struct{}{}, errors.Join(
				tx.exec(`UPDATE leasehold_meta SET version = version + 1`),
				tx.exec(`UPDATE leasehold_meta SET version = version - 1`))
		})
		if err != nil {
			return driver.Finding{}, err
		}
		took = append(took, time.Since(start))
	}
	slices.Sort(took)
	middle, most := took[len(took)/2].Round(10*time.Microsecond), took[len(took)-1].Round(10*time.Microsecond)
	if middle > slowCommit {
		return diagnosis.Warning("look at the disk, and for programs that write to the file without pause",
			"a durable commit takes %v (at most %v)", middle, most), nil
	}
	return diagnosis.OK("a durable commit takes %v (at most %v)", middle, most), nil
}
