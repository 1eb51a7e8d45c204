package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The test binary doubles as the commands that the tests run.

const actorArgument = "leasehold-actor"

// actor returns the command line that makes this binary play a part.
func actor(part string, args ...string) []string {
	return append([]string{os.Args[0], actorArgument, part}, args...)
}

// shell quotes a command line for sh.
func shell(args []string) string {
	var quoted []string
	for _, a := range args {
		quoted = append(quoted, "'"+strings.ReplaceAll(a, "'", `'\''`)+"'")
	}
	return strings.Join(quoted, " ")
}

func act(args []string) {
	switch args[0] {
	case "stamp":
		stamp(args[1])
	case "count":
		count(args[1:])
	}
}

// stamp appends the time to a file every 5 ms, and does not care for SIGTERM.
func stamp(path string) {
	signal.Ignore(syscall.SIGTERM, syscall.SIGHUP)
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		panic(err)
	}
	for {
		_ = binary.Write(file, binary.LittleEndian, elapsed())
		time.Sleep(5 * time.Millisecond)
	}
}

// stamps returns what stamp wrote.
func stamps(t *testing.T, path string) []int64 {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	all := make([]int64, len(content)/8)
	if _, err := binary.Decode(content, binary.LittleEndian, all); err != nil {
		t.Fatal(err)
	}
	return all
}

// count says "ready", counts a signal, and when none has come for a while after
// the first prints how many there were.
func count(names []string) {
	signals := map[string]os.Signal{
		"INT": syscall.SIGINT, "TERM": syscall.SIGTERM, "HUP": syscall.SIGHUP, "QUIT": syscall.SIGQUIT,
		"USR1": syscall.SIGUSR1, "USR2": syscall.SIGUSR2, "ALRM": syscall.SIGALRM, "WINCH": syscall.SIGWINCH,
	}
	incoming := make(chan os.Signal, 100)
	for _, name := range names {
		signal.Notify(incoming, signals[name])
	}
	fmt.Println("ready")
	n := 0
	for limit := time.After(time.Minute); ; {
		select {
		case <-incoming:
			n++
			limit = time.After(300 * time.Millisecond)
		case <-limit:
			fmt.Println("received", n)
			os.Exit(40 + n)
		}
	}
}

func cleanupContext() (context.Context, func()) {
	return context.WithTimeout(context.Background(), patience)
}
