package postgres

import (
	"context"
	"strconv"
	"strings"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/diagnosis"
)

const (
	workingMajor    = 12 // older ones lack what our statements use
	maintainedMajor = 14 // older ones get no fixes from their project
)

// server tells PostgreSQL, and which, from what only speaks its protocol.
func (x *examination) server(ctx context.Context) (driver.Finding, error) {
	var version string
	if err := x.conn.QueryRow(ctx, `SELECT version()`).Scan(&version); err != nil {
		return driver.Finding{}, err
	}
	number, err := strconv.Atoi(x.settings["server_version_num"].value)
	if err != nil || !strings.HasPrefix(version, "PostgreSQL ") || strings.Contains(version, "-YB-") {
		return diagnosis.Problem("use PostgreSQL: what keeps locks apart here is how it locks rows",
			"the server is not PostgreSQL but speaks its protocol: %.60s", version), nil
	}
	name, major := "PostgreSQL "+x.settings["server_version"].value, number/10000
	switch {
	case major < workingMajor:
		return diagnosis.Problem("upgrade the server", "%s is too old: %d is the oldest that works", name, workingMajor), nil
	case major < maintainedMajor:
		return diagnosis.Warning("upgrade the server", "%s gets no fixes any more", name), nil
	}
	return diagnosis.OK("%s", name), nil
}

const readWrite = "name all hosts in the URL and add target_session_attrs=read-write"

// primary tells a server that takes writes from one that does not.
func (x *examination) primary(context.Context) (driver.Finding, error) {
	switch {
	case x.standby:
		return diagnosis.Problem("connect to the primary: "+readWrite,
			"this server is a standby: it cannot write, so it grants nothing"), nil
	case x.readOnly:
		return diagnosis.Problem("set default_transaction_read_only = off for role "+x.role,
			"transactions are read-only by default (%s)", x.settings["default_transaction_read_only"].source), nil
	case x.manyHosts() && x.dialer.pool.ConnConfig.ValidateConnect == nil:
		return diagnosis.Warning("add target_session_attrs=read-write to the URL",
			"this server is the primary, but the URL names several hosts and does not ask for the one that takes writes"), nil
	}
	return diagnosis.OK("the server takes writes"), nil
}

// manyHosts reports whether the pool may connect to more than one server. (The
// same host may be there twice, with and without encryption.)
func (x *examination) manyHosts() bool {
	cfg := x.dialer.pool.ConnConfig
	for _, other := range cfg.Fallbacks {
		if other.Host != cfg.Host || other.Port != cfg.Port {
			return true
		}
	}
	return false
}

func (x *examination) encoding(context.Context) (driver.Finding, error) {
	encoding := x.settings["server_encoding"].value
	if encoding != "UTF8" {
		return diagnosis.Problem("use a database with ENCODING 'UTF8'",
			"the encoding of database %s is %s, which cannot store every name", x.database, encoding), nil
	}
	return diagnosis.OK("%s", encoding), nil
}
