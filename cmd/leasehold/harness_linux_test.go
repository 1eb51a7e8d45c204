package main

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// The executables under test, built by TestMain: tool has the race detector,
// fastTool has not and starts in a few milliseconds, for tests that start many.
var tool, fastTool string

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == actorArgument {
		act(os.Args[2:])
		return
	}
	os.Exit(buildAndRun(m))
}

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "leasehold-tool-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	tool, fastTool = filepath.Join(dir, "leasehold"), filepath.Join(dir, "plain")
	for _, args := range [][]string{{"-race", "-o", tool}, {"-o", fastTool}} {
		build := exec.Command("go", append([]string{"build"}, args...)...)
		build.Stdout, build.Stderr = os.Stderr, os.Stderr
		if err := build.Run(); err != nil {
			fmt.Fprintln(os.Stderr, "cannot build the tool:", err)
			return 1
		}
	}
	raceLog = filepath.Join(dir, "race")
	status := m.Run()
	reports, _ := filepath.Glob(raceLog + ".*")
	for _, name := range reports {
		report, _ := os.ReadFile(name)
		fmt.Fprintf(os.Stderr, "data race in the tool:\n%s\n", report)
		status = 1
	}
	return status
}

// raceLog is where the processes of the tool report data races: the exit status
// of some of them is seen by nobody.
var raceLog string

// newSQLite returns the URL of a database that does not exist yet.
func newSQLite(t *testing.T) string {
	return "sqlite:" + filepath.Join(t.TempDir(), "locks", "leasehold.db")
}

// newPostgres returns the URL of a new, empty database on the test server.
func newPostgres(t *testing.T) string {
	server := os.Getenv("LEASEHOLD_TEST_POSTGRES_URL")
	if server == "" {
		t.Fatal("LEASEHOLD_TEST_POSTGRES_URL names no server: run the tests with make test")
	}
	name := make([]byte, 8)
	_, _ = rand.Read(name)
	database := "leasehold_tool_" + hex.EncodeToString(name)
	administer(t, server, "CREATE DATABASE "+database)
	t.Cleanup(func() { administer(t, server, "DROP DATABASE "+database+" WITH (FORCE)") })
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal("LEASEHOLD_TEST_POSTGRES_URL is not a URL")
	}
	u.Path = "/" + database
	return u.String()
}

func administer(t *testing.T, server, sql string) {
	t.Helper()
	ctx := t.Context()
	if ctx.Err() != nil { // in a cleanup
		var cancel func()
		ctx, cancel = cleanupContext()
		defer cancel()
	}
	conn, err := pgx.Connect(ctx, server)
	if err != nil {
		t.Fatalf("the test server cannot be reached: %v", err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, sql); err != nil {
		t.Fatal(err)
	}
}

// onEach runs a test on every kind of database.
func onEach(t *testing.T, test func(t *testing.T, db string)) {
	t.Run("sqlite", func(t *testing.T) { test(t, newSQLite(t)) })
	t.Run("postgres", func(t *testing.T) { test(t, newPostgres(t)) })
}

// run is a "leasehold" that was started.
type run struct {
	*exec.Cmd
	t      *testing.T
	out    buffer
	errOut buffer
	done   chan struct{}
	ended  time.Time // valid when done is closed
}

// buffer is written and read by different goroutines.
type buffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// environment is what the tool is run with: little.
func environment(db string, more ...string) []string {
	env := []string{
		"PATH=" + os.Getenv("PATH"), "LANG=C.UTF-8",
		"GORACE=atexit_sleep_ms=0 log_path=" + raceLog, // no second's sleep at each exit
	}
	if db != "" {
		env = append(env, databaseVariable+"="+db)
	}
	return append(env, more...)
}

// start starts the tool on a database. Whatever it leaves is killed with the
// test.
func start(t *testing.T, db string, args ...string) *run {
	t.Helper()
	return startWith(t, environment(db), args...)
}

func startWith(t *testing.T, env []string, args ...string) *run {
	t.Helper()
	return startProgram(t, tool, env, args...)
}

// startProgram starts a program that becomes the tool.
func startProgram(t *testing.T, program string, env []string, args ...string) *run {
	t.Helper()
	r := &run{Cmd: exec.Command(program, args...), t: t, done: make(chan struct{})}
	r.Env, r.Stdout, r.Stderr = env, &r.out, &r.errOut
	r.WaitDelay = 5 * time.Second // for output held open by what is left running
	if err := r.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = r.Wait()
		r.ended = time.Now()
		close(r.done)
	}()
	t.Cleanup(func() {
		_ = r.Process.Kill()
		<-r.done
		if t.Failed() {
			t.Logf("leasehold %q: %v\nstdout: %s\nstderr: %s", args, r.ProcessState, r.out.String(), r.errOut.String())
		}
	})
	return r
}

// patience bounds every wait of the tests. It only has to be too long.
const patience = 30 * time.Second

// status waits for the end and returns the exit status.
func (r *run) status() int {
	r.t.Helper()
	select {
	case <-r.done:
		return r.ProcessState.ExitCode()
	case <-time.After(patience):
		r.t.Fatalf("leasehold %q does not end", r.Args[1:])
		return 0
	}
}

func (r *run) wantStatus(want int) {
	r.t.Helper()
	if got := r.status(); got != want {
		r.t.Fatalf("leasehold %q: exit status %d, want %d", r.Args[1:], got, want)
	}
}

// wantError checks the end and the one line of standard error.
func (r *run) wantError(status int, parts ...string) {
	r.t.Helper()
	r.wantStatus(status)
	text := r.errOut.String()
	if !strings.HasPrefix(text, "leasehold: ") || strings.Count(text, "\n") != 1 {
		r.t.Errorf("want one line that begins with leasehold:, got %q", text)
	}
	for _, part := range parts {
		if !strings.Contains(text, part) {
			r.t.Errorf("stderr %q lacks %q", text, part)
		}
	}
}

func (r *run) signal(sig syscall.Signal) {
	r.t.Helper()
	if err := r.Process.Signal(sig); err != nil {
		r.t.Fatal(err)
	}
}

// until waits for a condition.
func until(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for limit := time.Now().Add(patience); !condition(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

// keeper returns the process id of the run's keeper.
func (r *run) keeper() int {
	r.t.Helper()
	var keeper int
	until(r.t, "there is a keeper", func() bool {
		keeper = childNamed(r.Process.Pid, keeperName)
		return keeper != 0
	})
	return keeper
}

func childNamed(parent int, name string) int {
	list, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", parent, parent))
	paths, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", parent))
	for _, path := range paths {
		more, _ := os.ReadFile(path)
		list = append(list, more...)
	}
	for field := range strings.FieldsSeq(string(list)) {
		line, _ := os.ReadFile("/proc/" + field + "/cmdline")
		if argv0, _, _ := strings.Cut(string(line), "\x00"); argv0 == name {
			pid, _ := strconv.Atoi(field)
			return pid
		}
	}
	return 0
}

// alive reports whether pid is a process that is not a zombie.
func alive(pid int) bool {
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	return !strings.HasPrefix(string(line[bytes.LastIndexByte(line, ')'):]), ") Z")
}

func kill(t *testing.T, pid int, sig syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(pid, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
		t.Fatal(err)
	}
}

// quick runs the tool to its end.
func quick(t *testing.T, db string, args ...string) *run {
	t.Helper()
	r := start(t, db, args...)
	r.status()
	return r
}

// held reports whether somebody holds name.
func held(t *testing.T, db, name string) bool {
	t.Helper()
	return quick(t, db, "run", "--try", name, "--", "true").status() == statusHeld
}

// untilFile waits until a file has content and returns it.
func untilFile(t *testing.T, path string) string {
	t.Helper()
	var content []byte
	until(t, path+" has content", func() bool {
		content, _ = os.ReadFile(path)
		return len(content) > 0
	})
	return string(content)
}

// untilQueued waits until name has that many waiters.
func untilQueued(t *testing.T, db, name string, n int) {
	t.Helper()
	until(t, "all wait", func() bool {
		out := quick(t, db, "inspect", name).out.String()
		return strings.Contains(strings.Join(strings.Fields(out), " "), fmt.Sprintf("waiters: %d", n))
	})
}
