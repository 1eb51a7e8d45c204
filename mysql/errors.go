package mysql

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/go-sql-driver/mysql"

	"github.com/leaseholdgo/leasehold/driver"
)

// Conditions that repeating the call may cure, so none is marked permanent.
var (
	errClosed   = errors.New("store connection closed")
	errReadOnly = errors.New("the server is read-only: connect to the primary, or wait for the failover to end")
	errLocked   = errors.New("the lock's row is locked by another transaction")
	errChanging = errors.New("the lock was changed at the same moment")
	errGuarded  = errors.New("a guarded transaction is in progress")
)

// Error numbers of the server that are told apart.
const (
	codeDuplicate        = 1062
	codeNoTable          = 1146
	codeNoDatabase       = 1049
	codeParse            = 1064
	codeLockTimeout      = 1205
	codeDeadlock         = 1213
	codeReadOnly         = 1290
	codeReadOnlyTx       = 1792
	codeReadOnlyMode     = 1836
	codeInterrupted      = 1317
	codeStatementTimeout = 1969 // MariaDB
	codeStatementOnly    = 1665 // cannot write READ COMMITTED to a binary log of statements
)

// noPrivilege are the errors of a user who may not do it.
var noPrivilege = []uint16{1044, 1045, 1142, 1143, 1227, 1370, 1698}

// permanentCodes are the errors that repeating the same call cannot cure.
var permanentCodes = append([]uint16{
	codeNoTable, codeNoDatabase, codeParse, codeStatementOnly,
	1046, // no database selected
	1054, // no such column: tables of another shape than ours
	1072, 1109, 1136, 1241, 1364, 1366,
	1153,             // a packet larger than the server allows
	1264, 1265, 1406, // a value that a column cannot hold
	1286, 1031, // no InnoDB
	3819, 4025, // a constraint
}, noPrivilege...)

// transient reports whether the server undid the transaction because of others, so that
// it may be made again at once.
func transient(err error) bool { return hasCode(err, codeDeadlock, codeLockTimeout, codeDuplicate) }

// classify marks err as permanent where it is. It keeps context errors and server errors
// matchable.
func classify(err error) error {
	if err == nil || driver.IsPermanent(err) {
		return err
	}
	reply, ok := asType[*mysql.MySQLError](err)
	switch {
	case !ok:
		return err
	case reply.Number == codeDuplicate:
		return errChanging // the server's text has the name
	case hasCode(err, codeReadOnly, codeReadOnlyTx, codeReadOnlyMode):
		return fmt.Errorf("%w: %w", errReadOnly, err)
	case reply.Number == codeStatementOnly:
		return driver.Permanent(fmt.Errorf("the server's binlog_format is STATEMENT: set it to ROW or MIXED: %w", err))
	case slices.Contains(permanentCodes, reply.Number):
		return driver.Permanent(err)
	}
	return err
}

// hasCode reports whether err is a reply of the server with one of the numbers.
func hasCode(err error, codes ...uint16) bool {
	reply, ok := asType[*mysql.MySQLError](err)
	return ok && slices.Contains(codes, reply.Number)
}

// refused reports whether the server has answered the statement, with an error: its
// session goes on.
func refused(err error) bool {
	_, ok := asType[*mysql.MySQLError](err)
	return ok
}

func asType[E error](err error) (E, bool) {
	var target E
	ok := errors.As(err, &target)
	return target, ok
}

// ctxError returns why ctx ended, with its cause where that says more.
func ctxError(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if err == nil || cause == nil || errors.Is(cause, err) {
		return err
	}
	return fmt.Errorf("%w: %w", err, cause)
}
