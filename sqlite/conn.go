package sqlite

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"sync"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/coalesce"
)

// conn is one client's access: connections for writing, for reading, and for the
// keepalive alone; and one for each Listen.
type conn struct {
	path     string
	file     fs.FileInfo   // the database file as it was when the client connected
	patience time.Duration // how long a call waits for other writers; 0: until its context ends
	leases   *leaseDir
	convert  bool // the file is ours, to be put into WAL mode

	writer, reader, keeper *lane

	calls *coalesce.Queue[*call] // acquisitions and releases, for the writer

	life context.Context // ends with Close
	end  context.CancelCauseFunc
	work sync.WaitGroup

	mu        sync.Mutex // guards the fields below
	closed    bool
	waits     map[driver.Attempt]struct{} // queued, as far as is known
	listeners map[*listener]struct{}
}

var (
	_ driver.Conn       = (*conn)(nil)
	_ driver.Starter    = (*conn)(nil)
	_ driver.Listener   = (*conn)(nil)
	_ driver.Inheritor  = (*conn)(nil)
	_ driver.DataKeeper = (*conn)(nil)
)

func newConn(path string, leases *leaseDir, patience time.Duration, convert bool) (*conn, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	c := &conn{
		path: path, file: info, leases: leases, patience: patience, convert: convert,
		waits:     map[driver.Attempt]struct{}{},
		listeners: map[*listener]struct{}{},
	}
	c.calls = c.newCalls()
	c.life, c.end = context.WithCancelCause(context.Background())
	var errs [3]error
	c.writer, errs[0] = newLane(path, readWrite)
	c.reader, errs[1] = newLane(path, readOnly)
	c.keeper, errs[2] = newLane(path, readOnly)
	if err := errors.Join(errs[:]...); err != nil {
		return nil, driver.Permanent(err)
	}
	return c, nil
}

// intact reports whether the database's name still leads to the file that this
// client has open. If not, others lock in another file.
func (c *conn) intact() bool {
	info, err := os.Stat(c.path)
	return err == nil && os.SameFile(info, c.file)
}

// LeaseFile implements driver.Inheritor. The file is nil and the error says so
// where locks cannot be inherited (Windows), or if the lease is not this Conn's.
func (c *conn) LeaseFile(id driver.ID) (*os.File, error) {
	if !inheritable {
		return nil, errors.ErrUnsupported
	}
	if f := c.leases.owned(id); f != nil {
		return f, nil
	}
	return nil, driver.ErrLeaseGone
}

// Close implements driver.Conn. It waits for transactions in progress, which
// take no longer than the disk. Leases that were not ended and that no child
// inherited are dead from then on.
func (c *conn) Close() error {
	c.mu.Lock()
	again := c.closed
	c.closed = true
	c.mu.Unlock()
	c.end(errClosed)
	c.work.Wait()
	if again {
		return nil
	}
	c.leases.close()
	return errors.Join(c.writer.close(), c.reader.close(), c.keeper.close())
}
