package cluster

import (
	"context"
	"database/sql"
	"errors"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/leaseholdgo/leasehold/internal/mariadb"
)

// maria is one MariaDB server in the place of the primary.
type maria struct {
	*mariadb.Server
	url *url.URL
}

func (c *Cluster) startMaria(ctx context.Context) error {
	server, err := mariadb.Start(ctx, mariadb.Config{Settings: c.cfg.Settings})
	if err != nil {
		return err
	}
	c.maria = &maria{Server: server, url: parse(server.URL())}
	for _, ofPlace := range c.proxies {
		ofPlace[0].Point(c.maria.url.Host)
	}
	return nil
}

// through returns the server's address by another way.
func (m *maria) through(host string) string {
	u := *m.url
	u.Host = host
	return u.String()
}

// connect returns a pool of connections that nothing stands in the way of.
func (m *maria) connect() (*sql.DB, error) {
	cfg := mysql.NewConfig()
	cfg.User, cfg.Net, cfg.Addr = m.url.User.Username(), "tcp", m.url.Host
	cfg.Passwd, _ = m.url.User.Password()
	cfg.Timeout, cfg.Logger = 2*time.Second, &mysql.NopLogger{}
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(connector), nil
}

// signal has KILL and what follows it done to up to most connections but our own, chosen at
// random. One that has just ended cannot be killed.
func (m *maria) signal(ctx context.Context, kill string, most int) (err error) {
	ctx, cancel := context.WithTimeout(ctx, adminTimeout)
	defer cancel()
	db, err := m.connect()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	conn, err := m.conn(ctx, db)
	if err != nil {
		return err
	}
	defer conn.Close()
	ids, err := others(ctx, conn, most)
	for _, id := range ids {
		if _, err := conn.ExecContext(ctx, kill+strconv.FormatInt(id, 10)); err != nil && !refused(err) {
			return err
		}
	}
	return err
}

// conn waits for a connection: all may be taken.
func (m *maria) conn(ctx context.Context, db *sql.DB) (*sql.Conn, error) {
	for {
		conn, err := db.Conn(ctx)
		if err == nil {
			return conn, nil
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return nil, err
		}
	}
}

func others(ctx context.Context, conn *sql.Conn, most int) (ids []int64, err error) {
	rows, err := conn.QueryContext(ctx, `SELECT ID FROM information_schema.PROCESSLIST
		WHERE ID <> CONNECTION_ID() AND USER = SUBSTRING_INDEX(CURRENT_USER(), '@', 1) ORDER BY RAND() LIMIT ?`, most)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, rows.Err()
}

// refused reports whether the server answered with an error.
func refused(err error) bool {
	_, ok := errors.AsType[*mysql.MySQLError](err)
	return ok
}

// crowd opens connections until the server takes no more, ends some of others, which would
// notice nothing otherwise, and keeps its own until ctx ends.
func (m *maria) crowd(ctx context.Context) (err error) {
	db, err := m.connect()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	var mu sync.Mutex
	var taken []*sql.Conn
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				conn, err := db.Conn(ctx)
				if err != nil {
					return
				}
				mu.Lock()
				taken = append(taken, conn)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	defer func() {
		for _, conn := range taken {
			_ = conn.Close() // the server may have ended it
		}
	}()
	if len(taken) > 0 && ctx.Err() == nil {
		ids, err := others(ctx, taken[0], 8)
		for _, id := range ids {
			_, err = taken[0].ExecContext(ctx, "KILL "+strconv.FormatInt(id, 10))
		}
		if err != nil && !refused(err) && ctx.Err() == nil {
			return err
		}
	}
	<-ctx.Done()
	return nil
}
