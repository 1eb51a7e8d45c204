package postgres

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/leaseholdgo/leasehold"
)

// rest is the pause before each measurement, in which both processes come to rest.
const rest = 2 * time.Millisecond

// BenchmarkHandover measures the time from the call of Release in one process to
// the return of Acquire in another, and beside it, in turns, its floor: from
// sending one committed update with one NOTIFY to another connection's having
// received it.
func BenchmarkHandover(b *testing.B) {
	pool, schema := testPool(b), testSchema(b)
	client, err := leasehold.Open(b.Context(), New(pool, Config{Schema: schema}), leasehold.Config{})
	if err != nil {
		b.Fatal(err)
	}
	defer client.Close()
	execSQL(b, pool, `CREATE DATABASE `+schema)
	b.Cleanup(func() { execSQL(b, pool, `DROP DATABASE `+schema) })
	conn, err := connectFloor(b.Context(), pool, schema)
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close(context.Background())
	for _, sql := range []string{`CREATE TABLE floor (n int) WITH (fillfactor = 50)`, `INSERT INTO floor VALUES (0)`} {
		if _, err := conn.Exec(b.Context(), sql); err != nil {
			b.Fatal(err)
		}
	}
	child := startChild(b, schema)

	var ours, floor []time.Duration
	for b.Loop() {
		ours = append(ours, handOver(b, client, child))
		floor = append(floor, notify(b, conn, child))
	}
	p50, low := median(ours), median(floor)
	b.ReportMetric(float64(p50.Microseconds()), "µs-p50")
	b.ReportMetric(float64(low.Microseconds()), "µs-floor-p50")
	b.ReportMetric(float64(p50)/float64(low), "ours/floor")
}

// connectFloor connects to the floor's own database: a NOTIFY wakes every listening
// backend of a database, and either side is to wake its own listener only.
func connectFloor(ctx context.Context, pool *pgxpool.Pool, database string) (*pgx.Conn, error) {
	cfg := pool.Config().ConnConfig
	cfg.Database = database
	return pgx.ConnectConfig(ctx, cfg)
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}

// handOver lets the child wait for a name and releases it.
func handOver(b *testing.B, client *leasehold.Client, child *child) time.Duration {
	b.Helper()
	lock, err := client.Acquire(b.Context(), "a")
	if err != nil {
		b.Fatal(err)
	}
	child.send(b, "wait")
	await(b, "the child waits", func() bool {
		info, err := client.Get(b.Context(), "a")
		return err == nil && len(info.Waiters) == 1
	})
	time.Sleep(rest)
	start := time.Now()
	if err := lock.Close(); err != nil {
		b.Fatal(err)
	}
	took := child.receive(b).Sub(start)
	child.receive(b) // it has released
	return took
}

func notify(b *testing.B, conn *pgx.Conn, child *child) time.Duration {
	b.Helper()
	const sql = `WITH u AS (UPDATE floor SET n = n + 1 RETURNING n) SELECT pg_notify('floor', 'a') IS NULL FROM u`
	time.Sleep(rest)
	start := time.Now()
	if _, err := conn.Exec(b.Context(), sql); err != nil {
		b.Fatal(err)
	}
	return child.receive(b).Sub(start)
}

// child is the other process.
type child struct {
	in  io.WriteCloser
	out *bufio.Scanner
}

func startChild(b *testing.B, schema string) *child {
	b.Helper()
	cmd := exec.CommandContext(b.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+schema)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = in.Close() // it ends
		_ = cmd.Wait()
	})
	c := &child{in: in, out: bufio.NewScanner(out)}
	c.receive(b) // ready
	return c
}

func (c *child) send(b *testing.B, command string) {
	b.Helper()
	if _, err := fmt.Fprintln(c.in, command); err != nil {
		b.Fatal(err)
	}
}

// receive returns the instant that the child reports next. (Both processes read
// the same clock; a step of it would spoil the figure.)
func (c *child) receive(b *testing.B) time.Time {
	b.Helper()
	if !c.out.Scan() {
		b.Fatal("the child has ended")
	}
	nanos, err := strconv.ParseInt(c.out.Text(), 10, 64)
	if err != nil {
		b.Fatal(err)
	}
	return time.Unix(0, nanos)
}

// handoverChild is main of the other process: it reports when it has acquired
// and when it was notified.
func handoverChild(schema string) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	pool, err := pgxpool.New(ctx, os.Getenv(serverEnv))
	if err != nil {
		return err
	}
	defer pool.Close()
	client, err := leasehold.Open(ctx, New(pool, Config{Schema: schema}), leasehold.Config{})
	if err != nil {
		return err
	}
	defer client.Close()
	conn, err := connectFloor(ctx, pool, schema)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if _, err := conn.Exec(ctx, `LISTEN floor`); err != nil {
		return err
	}
	go func() {
		for {
			if _, err := conn.WaitForNotification(ctx); err != nil {
				return
			}
			report()
		}
	}()
	report()
	return acquireOnCommand(ctx, client)
}

func acquireOnCommand(ctx context.Context, client *leasehold.Client) error {
	commands := bufio.NewScanner(os.Stdin)
	for commands.Scan() {
		if strings.TrimSpace(commands.Text()) != "wait" {
			continue
		}
		lock, err := client.Acquire(ctx, "a")
		report()
		if err != nil {
			return err
		}
		if err := lock.Close(); err != nil {
			return err
		}
		report()
	}
	return commands.Err()
}

func report() { fmt.Println(time.Now().UnixNano()) }
