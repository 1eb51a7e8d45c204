package sqlite

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
)

// sweepAge is how long ago a client died whose remains are swept. Until then
// they are left to be looked at.
const sweepAge = time.Hour

// sweep takes away what clients left that died while nobody waited for their
// locks: rows of dead leases, and files without a row. It writes only if there
// are some.
func (c *conn) sweep(ctx context.Context) error {
	ids, err := do(ctx, c, c.reader, func() ([]driver.ID, error) {
		return inTx(c.reader, c.remains)
	})
	if err != nil {
		return err
	}
	for _, id := range ids {
		if _, err := c.EndLease(ctx, id, driver.Grounds{Dead: true}); err != nil && !isBusy(err) {
			return err
		}
	}
	return c.leases.sweep()
}

// remains returns the leases made long ago whose clients are gone.
func (c *conn) remains(tx *tx) ([]driver.ID, error) {
	rows, err := tx.query(`SELECT id FROM leasehold_lease WHERE created_at < ?`, tx.now.Add(-sweepAge).UnixMicro())
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var ids []driver.ID
	for rows.Next() {
		var b []byte
		if err := rows.Scan(&b); err != nil {
			return nil, err
		}
		if len(b) != idSize {
			return nil, corrupt("lease", string(b), "the id")
		}
		if id := driver.ID(b); !c.leases.alive(id) {
			ids = append(ids, id)
		}
	}
	return ids, rows.Err()
}

// sweep takes away old files that nobody keeps locked. A lease without a file is
// as dead as one whose file is not locked, so this changes nothing for anybody.
func (d *leaseDir) sweep() error {
	entries, err := os.ReadDir(d.path)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if _, err := driver.ParseID(entry.Name()); err != nil {
			continue
		}
		info, err := entry.Info()
		if err != nil || time.Since(info.ModTime()) < sweepAge {
			continue
		}
		if err := sweepFile(filepath.Join(d.path, entry.Name())); err != nil {
			return err
		}
	}
	return nil
}

// sweepFile keeps the file locked while it takes it away, so that whoever makes a
// file by that name notices.
func sweepFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return nil // gone, or not ours to open
	}
	defer f.Close()
	if free, err := tryLock(f, exclusive); err != nil || !free {
		return err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission) {
		return err
	}
	return nil
}
