package cluster

import (
	"context"
	"database/sql"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
)

// client returns a pool of connections as a process in place 0 has them.
func client(t *testing.T, c *Cluster) *sql.DB {
	t.Helper()
	u := parse(c.URL(0))
	cfg := mysql.NewConfig()
	cfg.User, cfg.Net, cfg.Addr, cfg.Logger = u.User.Username(), "tcp", u.Host, &mysql.NopLogger{}
	cfg.Passwd, _ = u.User.Password()
	connector, err := mysql.NewConnector(cfg)
	must(t, err)
	db := sql.OpenDB(connector)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// What is done to a MariaDB server: connections are killed, taken away, and cut by the
// network; it crashes, stops and comes back at the same address.
func TestMariaDB(t *testing.T) {
	t.Parallel()
	c := start(t, Config{MariaDB: true, Settings: map[string]string{"max_connections": "20"}})
	db := client(t, c)
	for what, harm := range map[string]func() error{
		"terminate": func() error { return c.maria.signal(t.Context(), "KILL ", 8) },
		"reset":     func() error { c.Reset(0); return nil },
		"crash":     c.Crash,
		"stop":      c.Stop,
	} {
		conn, err := db.Conn(t.Context())
		must(t, err)
		must(t, conn.PingContext(t.Context()))
		must(t, harm())
		if err := conn.PingContext(t.Context()); err == nil {
			t.Errorf("%s: the connection lives", what)
		}
		_ = conn.Close() // it was ended
		must(t, c.Restart(t.Context()))
	}
	must(t, c.Terminate(t.Context()))
	must(t, c.Cancel(t.Context()))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- c.Crowd(ctx) }()
	var ours []*sql.Conn // one may have kept the crowd from the last place
	for deadline := time.Now().Add(20 * time.Second); ; {
		conn, err := db.Conn(t.Context())
		if err != nil {
			break
		}
		ours = append(ours, conn)
		if time.Now().After(deadline) {
			t.Fatal("there is room")
		}
	}
	cancel()
	must(t, <-done)
	for _, conn := range ours {
		_ = conn.Close() // the crowd may have ended it
	}
	db.SetMaxIdleConns(0)
	must(t, client(t, c).PingContext(t.Context()))
}
