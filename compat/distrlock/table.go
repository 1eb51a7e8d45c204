package distrlock

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"
)

// DefaultTableName is the table of a DBManager without WithTableName.
const DefaultTableName = "distributed_locks"

// DBManager makes locks in one table. It holds no connection, and is safe for concurrent
// use.
type DBManager struct {
	table string
	do    *statements
}

// DBManagerOption changes what NewDBManager makes.
type DBManagerOption func(*DBManager)

// WithTableName sets the table. Defaults to DefaultTableName. It may be qualified, by a schema on
// PostgreSQL or a database on MySQL, and each part may be quoted as the database wants it.
func WithTableName(name string) DBManagerOption {
	return func(m *DBManager) { m.table = name }
}

// NewDBManager returns a manager of the locks in a table. An error means that the dialect is unknown,
// or that the table's name is not a name. It does no I/O.
func NewDBManager[D ~string](dialect D, options ...DBManagerOption) (*DBManager, error) {
	m := &DBManager{table: DefaultTableName}
	for _, option := range options {
		option(m)
	}
	if !tableName.MatchString(m.table) {
		return nil, fmt.Errorf("distrlock: %q is not the name of a table", m.table)
	}
	do, err := newStatements(dialect, m.table)
	if err != nil {
		return nil, err
	}
	m.do = do
	return m, nil
}

var tableName = func() *regexp.Regexp {
	const part = "(?:[\\pL_][\\pL\\pN_$]*|\"[^\"\\x00]+\"|`[^`\\x00]+`)"
	return regexp.MustCompile("^" + part + `(?:\.` + part + "){0,2}$")
}()

// CreateTableSQL returns the statement that makes the table, if there is none.
func (m *DBManager) CreateTableSQL() string { return m.do.create }

// DropTableSQL returns the statement that drops the table, if there is one.
func (m *DBManager) DropTableSQL() string { return m.do.drop }

// Migration is one step of a schema, for a tool that applies steps.
type Migration struct {
	id       string
	up, down string
}

// ID returns the name under which a tool may note that the step was applied.
func (m Migration) ID() string { return m.id }

// UpSQL returns the statements that apply the step. They are idempotent.
func (m Migration) UpSQL() []string { return []string{m.up} }

// DownSQL returns the statements that undo the step. They are idempotent.
func (m Migration) DownSQL() []string { return []string{m.down} }

// Migrations returns the steps that make the table.
func (m *DBManager) Migrations() []Migration {
	id := strings.NewReplacer(`"`, "", "`", "", ".", "_").Replace(m.table) + "_0001_create_table"
	return []Migration{{id, m.do.create, m.do.drop}}
}

// CreateTableSQL returns the statement that makes the default table, if there is none.
func CreateTableSQL[D ~string](dialect D) (string, error) {
	m, err := NewDBManager(dialect)
	if err != nil {
		return "", err
	}
	return m.CreateTableSQL(), nil
}

// DropTableSQL returns the statement that drops the default table, if there is one.
func DropTableSQL[D ~string](dialect D) (string, error) {
	m, err := NewDBManager(dialect)
	if err != nil {
		return "", err
	}
	return m.DropTableSQL(), nil
}

const maxKey = 40 // bytes

// NewLock makes the row of a key, if there is none, and returns the lock, which is not
// held. The key is 1 to 40 bytes of UTF-8 without NUL. In a transaction, the row may be waited for. On
// an error the row may have been made or not; calling again is harmless. One statement.
func (m *DBManager) NewLock(ctx context.Context, executor SQLExecutor, key string) (DBLock, error) {
	switch {
	case key == "":
		return DBLock{}, errors.New("distrlock: the key is empty")
	case len(key) > maxKey:
		return DBLock{}, fmt.Errorf("distrlock: the key has %d bytes, the most is %d", len(key), maxKey)
	case !utf8.ValidString(key) || strings.ContainsRune(key, 0):
		return DBLock{}, fmt.Errorf("distrlock: the key %q is not UTF-8 without NUL", key)
	}
	if _, err := exec(ctx, executor, m.do.insert, call{key: key}); err != nil {
		return DBLock{}, fmt.Errorf("distrlock: making the row of key %q: %w", key, err)
	}
	return DBLock{Key: key, do: m.do}, nil
}
