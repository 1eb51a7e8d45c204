package mysql

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/keyed"
)

// Where servers tell which named locks there are: where it is turned on, which it is on MySQL
// 8 by default; and MariaDB with a plugin.
const (
	instrumentedSQL = `SELECT IFNULL(MAX(ENABLED = 'YES'), 0) FROM performance_schema.setup_instruments
		WHERE NAME = 'wait/lock/metadata/sql/mdl'`
	performanceSchemaSQL = `SELECT m.OBJECT_NAME, t.PROCESSLIST_ID FROM performance_schema.metadata_locks AS m
		JOIN performance_schema.threads AS t ON t.THREAD_ID = m.OWNER_THREAD_ID
		WHERE m.OBJECT_TYPE = 'USER LEVEL LOCK' AND m.LOCK_STATUS = 'GRANTED' AND m.OBJECT_NAME LIKE 'leasehold:%'`
	metadataLockInfoSQL = `SELECT TABLE_SCHEMA, THREAD_ID FROM information_schema.METADATA_LOCK_INFO
		WHERE LOCK_TYPE = 'User lock' AND TABLE_SCHEMA LIKE 'leasehold:%'`
)

const codeNoInfoTable = 1109 // unknown table in information_schema

// Held returns the locks that sessions hold, of every namespace, with who holds them: each
// under the server's name (see SessionLockName), since names are not stored. It is for people
// and dashboards.
//
// driver.ErrUnsupported: the server does not tell. It does, to who may read
// performance_schema, where that has the instrument of metadata locks (MySQL 8 by default);
// MariaDB also with the plugin metadata_lock_info. It takes one connection.
func (s *SessionStore) Held(ctx context.Context) (driver.View, error) {
	v := driver.View{Leases: map[driver.ID]driver.LeaseState{}}
	err := s.look(ctx, func(ctx context.Context, one *session) error {
		names, ids, err := one.namedLocks(ctx)
		if err != nil {
			return err
		}
		known, err := one.clients(ctx, ids)
		for i, name := range names {
			keyed.Other{Key: name, State: described(ids[i], known[ids[i]])}.AddTo(&v, name)
		}
		return err
	})
	return v, err
}

// look runs fn on a connection of its own, whose settings are those of the caller's.
func (s *SessionStore) look(ctx context.Context, fn func(context.Context, *session) error) error {
	if err := s.store.check(); err != nil {
		return err
	}
	db, own, err := s.store.pool()
	if err != nil {
		return err
	}
	if own {
		defer db.Close()
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		return classify(fmt.Errorf("cannot connect: %w", err))
	}
	one := &session{conn: conn, multi: own}
	defer one.discard()
	return classify(fn(ctx, one))
}

// namedLocks returns those of ours that the server knows, in order, and the connections that
// have them.
func (s *session) namedLocks(ctx context.Context) (names []string, ids []int64, err error) {
	type held struct {
		name string
		id   int64
	}
	var all []held
	read := func(rows *sql.Rows) error {
		var h held
		err := rows.Scan(&h.name, &h.id)
		all = append(all, h)
		return err
	}
	var instrumented bool
	err = s.run(ctx, statement{instrumentedSQL, row(&instrumented)})
	if err != nil && !hasCode(err, noPrivilege...) {
		return nil, nil, err
	}
	text := metadataLockInfoSQL
	if instrumented {
		text = performanceSchemaSQL
	}
	if err := s.run(ctx, statement{text, read}); err != nil {
		if hasCode(err, append(noPrivilege, codeNoInfoTable)...) {
			err = driver.Permanent(fmt.Errorf("%w: the server does not tell which named locks there are: %w", driver.ErrUnsupported, err))
		}
		return nil, nil, err
	}
	slices.SortFunc(all, func(a, b held) int { return strings.Compare(a.name, b.name) })
	for _, h := range all {
		if len(h.name) == len(SessionLockName("", "")) { // else it shows who waits
			names, ids = append(names, h.name), append(ids, h.id)
		}
	}
	return names, ids, nil
}
