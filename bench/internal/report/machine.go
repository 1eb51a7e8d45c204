package report

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"github.com/leaseholdgo/leasehold/bench/internal/server"
)

// Machine is what the figures depend on.
type Machine struct {
	Processor  string
	Processors int
	System     string
	Go         string
	Postgres   string
	Redis      string
	Etcd       string
	Flushes    float64 // that a file of ours takes in a second, one after the other
}

// Examine looks at the machine and the servers.
func Examine(ctx context.Context, servers *server.Set) (Machine, error) {
	m := Machine{
		Processor: processor(), Processors: runtime.NumCPU(), Go: runtime.Version(),
		System: runtime.GOOS + "/" + runtime.GOARCH,
		Redis:  version(ctx, "redis-server", "--version"), Etcd: version(ctx, "etcd", "--version"),
	}
	if release, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		m.System += " " + strings.TrimSpace(string(release))
	}
	var err error
	if m.Postgres, err = servers.Postgres.Query(ctx, "SHOW server_version"); err != nil {
		return m, err
	}
	m.Flushes, err = flushes(time.Second)
	return m, err
}

var model = regexp.MustCompile(`(?m)^model name\s*: (.*)$`)

// processor returns the processor's name where the system tells it.
func processor() string {
	info, _ := os.ReadFile("/proc/cpuinfo")
	if found := model.FindSubmatch(info); found != nil {
		return string(found[1])
	}
	return runtime.GOARCH
}

var number = regexp.MustCompile(`\d+\.\d+\.\d+`)

// version asks a program for its version; "unknown" if it does not tell.
func version(ctx context.Context, program string, args ...string) string {
	out, _ := exec.CommandContext(ctx, program, args...).Output()
	if found := number.Find(out); found != nil {
		return string(found)
	}
	return "unknown"
}

// flushes returns how often a second a block is written to a file in the temporary
// directory, where the servers have theirs, and flushed to the disk.
func flushes(window time.Duration) (float64, error) {
	f, err := os.CreateTemp("", "leasehold-bench-")
	if err != nil {
		return 0, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	block := make([]byte, 8192)
	start, n := time.Now(), 0
	for time.Since(start) < window {
		if _, err := f.WriteAt(block, 0); err != nil {
			return 0, err
		}
		if err := f.Sync(); err != nil {
			return 0, err
		}
		n++
	}
	return float64(n) / time.Since(start).Seconds(), nil
}

// Commit returns what this program was built from, with a + if that was changed since.
func Commit() string {
	info, _ := debug.ReadBuildInfo()
	if info == nil {
		return "unknown"
	}
	revision, changed := "unknown", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			revision = s.Value[:min(12, len(s.Value))]
		case s.Key == "vcs.modified" && s.Value == "true":
			changed = "+"
		}
	}
	return fmt.Sprint(revision, changed)
}
