package pglock

import "context"

// ReadOnlyLock is the row of a lock as it was read.
type ReadOnlyLock struct {
	name, owner string
	data        []byte
}

// Name returns the name that is, or was, locked.
func (l *ReadOnlyLock) Name() string { return l.name }

// Data returns the data in the row.
func (l *ReadOnlyLock) Data() []byte { return l.data }

// Owner returns the owner in the row.
func (l *ReadOnlyLock) Owner() string { return l.owner }

// Get is GetContext without a bound.
func (c *Client) Get(name string) (*Lock, error) { return c.GetContext(context.Background(), name) }

// GetContext reads the lock of name, whoever holds it. It locks nothing, and works on a
// read-only replica. What it returns cannot release the lock. ErrLockNotFound: there is
// no row. It takes a lease duration at the most, or two seconds.
func (c *Client) GetContext(ctx context.Context, name string) (*Lock, error) {
	row, ok, err := c.table.Get(ctx, name)
	switch {
	case err != nil:
		return nil, typed("get", err)
	case !ok:
		return nil, ErrLockNotFound
	}
	return &Lock{client: c, owner: row.Owner, data: row.Data, version: row.RVN, free: !row.Held}, nil
}

// GetData is GetDataContext without a bound.
func (c *Client) GetData(name string) ([]byte, error) {
	return c.GetDataContext(context.Background(), name)
}

// GetDataContext is GetContext for those who want the data only.
func (c *Client) GetDataContext(ctx context.Context, name string) ([]byte, error) {
	l, err := c.GetContext(ctx, name)
	if err != nil {
		return nil, err
	}
	return l.Data(), nil
}

// GetAllLocks is GetAllLocksContext without a bound.
func (c *Client) GetAllLocks() ([]*ReadOnlyLock, error) {
	return c.GetAllLocksContext(context.Background())
}

// GetAllLocksContext reads all rows, those that were kept free included, in the order of
// their names. It locks nothing.
func (c *Client) GetAllLocksContext(ctx context.Context) ([]*ReadOnlyLock, error) {
	rows, err := c.table.All(ctx)
	if err != nil {
		return nil, typed("get all", err)
	}
	locks := make([]*ReadOnlyLock, len(rows))
	for i, r := range rows {
		locks[i] = &ReadOnlyLock{name: r.Name, owner: r.Owner, data: r.Data}
	}
	return locks, nil
}
