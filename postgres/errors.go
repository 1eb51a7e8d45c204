package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/leaseholdgo/leasehold/driver"
)

// Conditions that repeating the call may cure, so none is marked permanent.
var (
	errClosed   = errors.New("store connection closed")
	errReadOnly = errors.New("the server is read-only: connect to the primary (target_session_attrs=read-write), or wait for the failover to end")
	errChanging = errors.New("the lock was changed at the same moment")
	errUnsure   = errors.New("the server warned that the commit may not be durable")
)

// SQLSTATE codes that are told apart.
const (
	codeLockTimeout     = "55P03"
	codeReadOnly        = "25006"
	codeSerialization   = "40001"
	codeUndefinedTable  = "42P01"
	codeInvalidSchema   = "3F000"
	codeNoPrivilege     = "42501"
	codeUndefinedColumn = "42703"
)

// permanentCodes are the SQLSTATE codes, and the classes of two letters, that
// repeating the same call cannot cure.
var permanentCodes = []string{
	codeUndefinedTable, codeInvalidSchema, codeNoPrivilege, codeUndefinedColumn,
	"22",    // data exception: a name that the database's encoding cannot store
	"23",    // integrity constraint: a name of bad length
	"28",    // invalid authorization, password included
	"3D000", // no such database
	"54000", // program limit exceeded
	"42",    // syntax or access rule: tables of another shape than ours
}

// classify marks err as permanent where it is, and takes the connection's
// settings out of it. It keeps context errors and server errors matchable.
func classify(err error) error {
	if err == nil || driver.IsPermanent(err) {
		return err
	}
	if refused, ok := asType[*pgconn.ConnectError](err); ok {
		err = fmt.Errorf("cannot connect: %w", refused.Unwrap())
	}
	state := sqlState(err)
	if state == "" {
		return err
	}
	if state == codeReadOnly {
		return fmt.Errorf("%w: %w", errReadOnly, err)
	}
	for _, code := range permanentCodes {
		if strings.HasPrefix(state, code) {
			return driver.Permanent(err)
		}
	}
	return err
}

// hasCode reports whether err is a reply of the server with the SQLSTATE code.
func hasCode(err error, codes ...string) bool {
	state := sqlState(err)
	return state != "" && slices.Contains(codes, state)
}

// refused reports whether err is a reply of the server.
func refused(err error) bool { return sqlState(err) != "" }

// sqlState returns the SQLSTATE of a reply of the server, whichever driver has read it.
func sqlState(err error) string {
	var reply interface{ SQLState() string }
	if !errors.As(err, &reply) {
		return ""
	}
	return reply.SQLState()
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
