package table

import (
	"context"
	"database/sql"
)

// Row is a row as it was read.
type Row struct {
	Name  string
	Owner string
	Data  []byte
	RVN   int64
	Held  bool // by anybody
}

// Get reads the row of a name. It locks nothing. False: there is none.
func (t *Table) Get(ctx context.Context, name string) (Row, bool, error) {
	ctx, cancel := context.WithTimeout(ctx, t.patience())
	defer cancel()
	rows, err := query(ctx, t, t.sql.get, scanRow, name)
	if err != nil || len(rows) == 0 {
		return Row{}, false, err
	}
	return rows[0], true, nil
}

// All reads all rows, in the order of their names. It locks nothing.
func (t *Table) All(ctx context.Context) ([]Row, error) {
	ctx, cancel := context.WithTimeout(ctx, t.patience())
	defer cancel()
	return query(ctx, t, t.sql.all, scanRow)
}

func scanRow(rows *sql.Rows) (r Row, err error) {
	var owner sql.NullString
	var rvn sql.NullInt64
	err = rows.Scan(&r.Name, &owner, &r.Data, &rvn)
	r.Owner, r.RVN, r.Held = owner.String, rvn.Int64, rvn.Valid
	return r, err
}
