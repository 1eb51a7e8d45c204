package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/diagnosis"
)

const migrateFirst = "run `leasehold migrate` as a role that may"

// schemaName and table return the names of the configuration, unquoted.
func (x *examination) schemaName() string       { return cmp.Or(x.cfg.Schema, defaultSchema) }
func (x *examination) table(name string) string { return x.cfg.Prefix + name }

// schema looks whether the tables are there and of a protocol that we speak.
func (x *examination) schema(ctx context.Context) (driver.Finding, error) {
	var exists, use, makeTables, found bool
	const sql = `SELECT n.oid IS NOT NULL, coalesce(has_schema_privilege(n.oid, 'USAGE'), false),
		CASE WHEN n.oid IS NULL THEN has_database_privilege(current_database(), 'CREATE')
			ELSE has_schema_privilege(n.oid, 'CREATE') END,
		EXISTS (SELECT FROM pg_class AS c WHERE c.relnamespace = n.oid AND c.relname = $2::text)
		FROM (SELECT) AS one LEFT JOIN pg_namespace AS n ON n.nspname = $1::text`
	err := x.conn.QueryRow(ctx, sql, x.schemaName(), x.table("meta")).Scan(&exists, &use, &makeTables, &found)
	if err != nil {
		return driver.Finding{}, err
	}
	switch {
	case !found && makeTables && !x.cfg.ManualSchema && !x.readOnly:
		return diagnosis.OK("no tables yet in schema %s: the first client makes them", x.schemaName()), nil
	case !found:
		return diagnosis.Problem(migrateFirst, "no tables in schema %s, and this role (%s) may not make them", x.schemaName(), x.role), nil
	case !use:
		return diagnosis.Problem(fmt.Sprintf("GRANT USAGE ON SCHEMA %s TO %s", x.schemaName(), x.role),
			"the tables are there, and the role %s may not use their schema %s", x.role, x.schemaName()), nil
	}
	return x.protocol(ctx)
}

func (x *examination) protocol(ctx context.Context) (driver.Finding, error) {
	var m meta
	sql := x.cfg.render(`SELECT version, protocol, oldest_protocol FROM leasehold.meta`)
	err := x.conn.QueryRow(ctx, sql).Scan(&m.version, &m.protocol, &m.oldest)
	switch {
	case hasCode(err, codeNoPrivilege):
		return driver.Finding{}, nil // said under privileges
	case errors.Is(err, pgx.ErrNoRows):
		return diagnosis.Problem("run the migrations again from empty", "the tables in schema %s lack their first rows", x.schemaName()), nil
	case err != nil:
		return driver.Finding{}, err
	case m.oldest > protocol:
		return diagnosis.Problem("update the program", "the tables need protocol %d or newer, and this program speaks %d", m.oldest, protocol), nil
	case m.version < version:
		return diagnosis.Problem(migrateFirst, "the tables are of version %d, and this program needs %d", m.version, version), nil
	}
	x.tables = true
	longest := x.longest(ctx)
	return diagnosis.OK("version %d, protocol %d; no TTL above %v", m.version, m.protocol, longest), nil
}

// needs are the privileges without which a client cannot work.
var needs = []struct {
	table      string
	privileges []string
}{
	{"meta", []string{"SELECT"}},
	{"epoch", []string{"SELECT", "UPDATE"}},
	{"lease", []string{"SELECT", "INSERT", "UPDATE", "DELETE"}},
	{"lock", []string{"SELECT", "INSERT", "UPDATE"}},
}

// privileges says exactly which are missing, on which table.
func (x *examination) privileges(ctx context.Context) (driver.Finding, error) {
	var missing []string
	var found bool
	for _, need := range needs {
		lacks, exists, err := x.lacks(ctx, x.table(need.table), need.privileges)
		if err != nil {
			return driver.Finding{}, err
		}
		found = found || exists
		if len(lacks) > 0 {
			missing = append(missing, fmt.Sprintf("%s on %s.%s", strings.Join(lacks, ", "), x.schemaName(), x.table(need.table)))
		}
	}
	switch {
	case !found:
		return driver.Finding{}, nil // said under schema
	case len(missing) > 0:
		return diagnosis.Problem(
			fmt.Sprintf("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA %s TO %s", x.schemaName(), x.role),
			"the role %s lacks %s", x.role, strings.Join(missing, "; ")), nil
	}
	return diagnosis.OK("the role %s has what it needs", x.role), nil
}

// lacks returns those of the privileges on a table that the role has not, and
// whether there is such a table.
func (x *examination) lacks(ctx context.Context, table string, privileges []string) (missing []string, exists bool, err error) {
	const sql = `SELECT p, has_table_privilege(c.oid, p)
		FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace, unnest($3::text[]) AS p
		WHERE n.nspname = $1::text AND c.relname = $2::text`
	rows, err := x.conn.Query(ctx, sql, x.schemaName(), table, privileges)
	if err != nil {
		return nil, false, err
	}
	defer rows.Close()
	for rows.Next() {
		var privilege string
		var has bool
		if err := rows.Scan(&privilege, &has); err != nil {
			return nil, false, err
		}
		exists = true
		if !has {
			missing = append(missing, privilege)
		}
	}
	return missing, exists, rows.Err()
}

// shape looks for what somebody may have done to the tables since they were made.
func (x *examination) shape(ctx context.Context) (driver.Finding, error) {
	var unlogged, hidden, triggered, indexed []string
	const sql = `SELECT c.relname::text, c.relpersistence = 'u', row_security_active(c.oid),
		EXISTS (SELECT FROM pg_trigger AS t WHERE t.tgrelid = c.oid AND NOT t.tgisinternal),
		(SELECT count(*) FROM pg_index AS i WHERE i.indrelid = c.oid) > 1
		FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
		WHERE n.nspname = $1::text AND c.relname = ANY ($2::text[])
		ORDER BY 1`
	rows, err := x.conn.Query(ctx, sql, x.schemaName(), x.tableNames())
	if err != nil {
		return driver.Finding{}, err
	}
	defer rows.Close()
	count := 0
	for ; rows.Next(); count++ {
		var name string
		var is [4]bool
		if err := rows.Scan(&name, &is[0], &is[1], &is[2], &is[3]); err != nil {
			return driver.Finding{}, err
		}
		for i, list := range []*[]string{&unlogged, &hidden, &triggered, &indexed} {
			if is[i] {
				*list = append(*list, name)
			}
		}
	}
	if err := rows.Err(); err != nil || count == 0 {
		return driver.Finding{}, err
	}
	return shapeFinding(unlogged, hidden, triggered, indexed), nil
}

func shapeFinding(unlogged, hidden, triggered, indexed []string) driver.Finding {
	switch {
	case len(unlogged) > 0:
		return diagnosis.Problem("ALTER TABLE ... SET LOGGED", "unlogged, so that a crash empties it: %s", strings.Join(unlogged, ", "))
	case len(hidden) > 0:
		return diagnosis.Problem("ALTER TABLE ... DISABLE ROW LEVEL SECURITY", "row security may hide rows of %s: a lock that is held would look free", strings.Join(hidden, ", "))
	case len(triggered) > 0:
		return diagnosis.Warning("drop the triggers: they can hold up or undo what a client writes", "triggers on %s", strings.Join(triggered, ", "))
	case len(indexed) > 0:
		return diagnosis.Warning("drop all indexes but the primary key: with another one, each write is several", "more than one index on %s", strings.Join(indexed, ", "))
	}
	return diagnosis.OK("as they were made: logged, no row security, no triggers, no other indexes")
}

// tableNames returns the names of all tables.
func (x *examination) tableNames() []string {
	var names []string
	for _, need := range needs {
		names = append(names, x.table(need.table))
	}
	return slices.Sorted(slices.Values(names))
}
