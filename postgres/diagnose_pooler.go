package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/diagnosis"
)

// turns is the order in which two connections that are both open ask which server
// process serves them. Where each has one to itself, the first always names one and
// the second always another. A pooler that lends a process for a transaction at a
// time shows itself whatever its order is: one that lends the process last given
// back names the same to both, and so does one that has a single process; one that
// lends them in turn names another when the same connection asks twice.
var turns = []int{0, 0, 1, 0, 1, 1, 0, 0, 0, 1, 0, 1}

const direct = "connect to the server itself, or let the pooler use session mode (pgbouncer: pool_mode = session)"

// pooler tells a connection that has a server process to itself from one that a
// pooler lends a process to. It changes no setting, since that might be one of
// another's connection.
func (x *examination) pooler(ctx context.Context) (driver.Finding, error) {
	second, err := x.connect(ctx)
	if err != nil {
		x.crowded = true
		return diagnosis.Problem("make room for three connections of each client",
			"a second connection beside the first was refused: %v", classify(err)), nil
	}
	defer hangUp(second)
	served, err := servedBy(ctx, x.conn, second)
	switch {
	case err != nil && errors.Is(err, context.DeadlineExceeded):
		x.crowded = true
		return diagnosis.Problem("make room for three connections of each client",
			"a second connection beside the first was made, and not served within %v", checkLimit), nil
	case err != nil:
		return driver.Finding{}, err
	}
	x.shared = lending(served)
	if x.shared {
		if _, err := x.conn.PgConn().Exec(ctx, `BEGIN`).ReadAll(); err != nil {
			return diagnosis.Problem(direct+", or transaction mode", "a pooler in statement mode is in between: it has no transactions"), nil
		}
		if _, err := x.conn.PgConn().Exec(ctx, `COMMIT`).ReadAll(); err != nil {
			return driver.Finding{}, err
		}
	}
	switch {
	case x.shared:
		return diagnosis.Warning("for quicker hand-overs, and for locks of a session, "+direct,
			"a pooler in transaction mode is in between: connections take turns on the server's processes, "+
				"so locks are handed over by polling, and each statement makes its settings anew"), nil
	case served[0][0] != x.conn.PgConn().PID():
		return diagnosis.OK("something is in between, and it keeps a server process for each connection (session mode)"), nil
	}
	return diagnosis.OK("none: the connection is the server's own"), nil
}

// codeProtocol is the SQLSTATE with which poolers refuse settings in the URL.
const codeProtocol = "08P01"

// refusedSetting says what to do if err is a pooler's refusal of a setting. It is
// found out at the first contact, before any check.
func refusedSetting(err error) error {
	if !hasCode(err, codeProtocol) || !strings.Contains(err.Error(), "startup parameter") {
		return err
	}
	return driver.Permanent(fmt.Errorf("a pooler is in between that refuses a setting of the URL: "+
		"take the setting out, or name it in the pooler's ignore_startup_parameters: %w", err))
}

// lending reports whether the two connections of servedBy share server processes.
func lending(served [2][]uint32) bool {
	return len(served[0]) != 1 || len(served[1]) != 1 || served[0][0] == served[1][0]
}

// servedBy returns, for each of the two connections, the server processes that
// answered it.
func servedBy(ctx context.Context, conns ...*pgx.Conn) (served [2][]uint32, err error) {
	for _, i := range turns {
		var pid uint32
		if err := conns[i].QueryRow(ctx, `SELECT pg_backend_pid()`, pgx.QueryExecModeExec).Scan(&pid); err != nil {
			return served, err
		}
		if !slices.Contains(served[i], pid) {
			served[i] = append(served[i], pid)
		}
	}
	return served, nil
}
