package pgserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// streamTimeout bounds the wait for a standby to stream, or to stop streaming.
const streamTimeout = 30 * time.Second

// Standby copies the running server and starts the copy, with the same settings
// and password, as a standby that streams from it. name is what the primary knows
// it by (its application_name): letters, digits and underscores. Replication is
// asynchronous until Synchronous. It takes about two seconds.
//
// On success the standby accepts connections, read-only, and has begun to stream.
// It is closed on its own, and may outlive the primary. It has a clock of its own
// if the primary has one.
func (s *Server) Standby(ctx context.Context, name string) (*Server, error) {
	standby := &Server{
		binDir: s.binDir, settings: s.settings, password: s.password, disk: s.disk, faketime: s.faketime,
		standby: name,
	}
	err := standby.create(ctx, func(ctx context.Context) error { return standby.copy(ctx, s) })
	if err == nil {
		err = standby.streaming(ctx, true)
	}
	if err != nil {
		return nil, errors.Join(err, standby.Close())
	}
	return standby, nil
}

// copy fills the data directory of a standby with what the primary has.
func (s *Server) copy(ctx context.Context, primary *Server) error {
	if err := s.process.Owner.Take(s.process.Dir); err != nil {
		return err
	}
	if err := s.copyData(ctx, primary); err != nil {
		return err
	}
	// The settings that the primary was given while it ran are not the copy's.
	config := fmt.Sprintf("primary_conninfo = '%s'\n", primary.conninfo(s.standby))
	auto, signal := filepath.Join(s.dataDir(), "postgresql.auto.conf"), filepath.Join(s.dataDir(), "standby.signal")
	if err := os.WriteFile(auto, []byte(config), 0o600); err != nil {
		return err
	}
	if err := os.WriteFile(signal, nil, 0o600); err != nil {
		return err
	}
	return s.process.Owner.Take(auto, signal)
}

// copyData copies the data directory of a primary that runs. A package of servers that lacks
// the program for that has one that no other release's program can copy, so the primary is
// stopped for it.
func (s *Server) copyData(ctx context.Context, primary *Server) error {
	const program = "pg_basebackup"
	if _, err := os.Stat(filepath.Join(s.binDir, program)); err != nil {
		return s.copyStopped(ctx, primary)
	}
	cmd := s.command(ctx, program, "--pgdata", s.dataDir(), "--no-sync", "--checkpoint=fast",
		"--wal-method=stream", "--dbname", primary.conninfo(s.standby))
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", program, err, out)
	}
	return nil
}

func (s *Server) copyStopped(ctx context.Context, primary *Server) error {
	if err := primary.Stop(Fast); err != nil {
		return err
	}
	if out, err := exec.CommandContext(ctx, "cp", "-a", primary.dataDir(), s.dataDir()).CombinedOutput(); err != nil {
		return fmt.Errorf("cp: %w: %s", err, out)
	}
	return primary.Restart(ctx)
}

// conninfo is how a standby connects. It needs no quoting: the password is base32.
func (s *Server) conninfo(name string) string {
	return fmt.Sprintf("host=127.0.0.1 port=%d user=postgres password=%s sslmode=disable application_name=%s", s.port, s.password, name)
}

// Detach makes a standby receive nothing from now on: what its primary commits
// after Detach returned is surely not on it. It can be promoted.
func (s *Server) Detach(ctx context.Context) error { return s.follow(ctx, "") }

// Follow makes a standby stream from a primary: its own again, or another one that
// was promoted and that it is not ahead of. It returns when the standby streams.
func (s *Server) Follow(ctx context.Context, primary *Server) error {
	return s.follow(ctx, primary.conninfo(s.standby))
}

func (s *Server) follow(ctx context.Context, conninfo string) error {
	if err := s.Set(ctx, "primary_conninfo", conninfo); err != nil {
		return err
	}
	return s.streaming(ctx, conninfo != "")
}

// streaming waits until a standby receives from its primary, or until it does not.
func (s *Server) streaming(ctx context.Context, want bool) error {
	sql := `select count(*) = 0 from pg_stat_get_wal_receiver() where pid is not null`
	if want {
		sql = `select count(*) = 1 from pg_stat_get_wal_receiver() where status = 'streaming'`
	}
	return s.await(ctx, sql)
}

// await asks until the answer is t.
func (s *Server) await(ctx context.Context, sql string) error {
	ctx, cancel := context.WithTimeout(ctx, streamTimeout)
	defer cancel()
	for {
		answer, err := s.Query(ctx, sql)
		if err != nil || answer == "t" {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for %q: %w: %s", sql, context.Cause(ctx), s.process.Log())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// Synchronous makes commits wait for any one of these standbys, which must be
// streaming; without any, commits wait for none.
func (s *Server) Synchronous(ctx context.Context, standbys ...*Server) error {
	var names []string
	for _, standby := range standbys {
		names = append(names, standby.standby)
	}
	list := ""
	if len(names) > 0 {
		list = "ANY 1 (" + strings.Join(names, ", ") + ")"
	}
	if err := s.Set(ctx, "synchronous_standby_names", list); err != nil {
		return err
	}
	return s.await(ctx, fmt.Sprintf(
		`select count(*) = %d from pg_stat_replication where sync_state in ('sync', 'quorum')`, len(names)))
}

// Promote makes a standby a primary, with what it has received, and returns when
// it takes writes. The old primary must be down: it would not notice.
func (s *Server) Promote(ctx context.Context) error {
	if _, err := s.Query(ctx, `select pg_promote(true, 60)`); err != nil {
		return err
	}
	return s.await(ctx, `select not pg_is_in_recovery()`)
}

// Set changes a setting that can be changed while the server runs. It lasts over
// restarts. One given in Config.Settings cannot be changed so.
func (s *Server) Set(ctx context.Context, name, value string) error {
	if _, err := s.Query(ctx, fmt.Sprintf("alter system set %s = '%s'", name, strings.ReplaceAll(value, "'", "''"))); err != nil {
		return err
	}
	_, err := s.Query(ctx, `select pg_reload_conf()`)
	return err
}

// MultiURL returns how to connect to whichever of the servers takes writes.
func MultiURL(servers ...*Server) string {
	u, err := url.Parse(servers[0].URL())
	if err != nil {
		panic("pgserver: " + err.Error()) // we made it
	}
	var hosts []string
	for _, s := range servers {
		hosts = append(hosts, net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)))
	}
	u.Host = strings.Join(hosts, ",")
	u.RawQuery += "&target_session_attrs=read-write"
	return u.String()
}
