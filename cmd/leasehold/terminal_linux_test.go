package main

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
)

// session is an interactive shell on a terminal of its own.
type session struct {
	t      *testing.T
	tty    *os.File
	screen buffer
	seen   int // what expect has passed
}

// newSession starts bash with job control. The prompt is "$? ready> ".
func newSession(t *testing.T, db string) *session {
	t.Helper()
	cmd := exec.Command("bash", "--norc", "--noprofile", "--noediting", "-i")
	cmd.Env = environment(db, `PS1=$? ready> `, "TERM=dumb", "tool="+tool, "HOME="+t.TempDir())
	tty, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 24, Cols: 250})
	if err != nil {
		t.Fatal(err)
	}
	s := &session{t: t, tty: tty}
	done := make(chan struct{})
	go func() {
		defer close(done)
		chunk := make([]byte, 4096)
		for {
			n, err := tty.Read(chunk)
			_, _ = s.screen.Write(chunk[:n])
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		_ = syscall.Kill(cmd.Process.Pid, syscall.SIGKILL)
		tty.Close() // hangs up on what is left
		_ = cmd.Wait()
		<-done
		if t.Failed() {
			t.Logf("the screen:\n%s", s.screen.String())
		}
	})
	s.expect("0 ready> ")
	return s
}

// send types text.
func (s *session) send(text string) {
	s.t.Helper()
	if _, err := s.tty.WriteString(text); err != nil {
		s.t.Fatal(err)
	}
}

// expect waits until text appears after what was expected before.
func (s *session) expect(text string) {
	s.t.Helper()
	var rest string
	until(s.t, "the screen shows "+text, func() bool {
		rest = s.screen.String()[s.seen:]
		return strings.Contains(rest, text)
	})
	s.seen += strings.Index(rest, text) + len(text)
}

const (
	ctrlC = "\x03"
	ctrlD = "\x04"
	ctrlZ = "\x1a"
)

func TestTerminalCtrlCArrivesOnce(t *testing.T) {
	s := newSession(t, newSQLite(t))
	s.send("$tool run name -- " + shell(actor("count", "INT")) + "\n")
	s.expect("\nready")
	s.send(ctrlC)
	s.expect("received 1")
	s.expect("41 ready> ")
}

// In a pipeline the command has no terminal of its own; still once.
func TestTerminalCtrlCInAPipeline(t *testing.T) {
	s := newSession(t, newSQLite(t))
	s.send("$tool run name -- " + shell(actor("count", "INT")) + " | (trap '' INT; cat)\n")
	s.expect("\nready")
	s.send(ctrlC)
	s.expect("received 1")
}

// The command can be stopped and continued; meanwhile the lock is held.
func TestTerminalCtrlZAndFg(t *testing.T) {
	t.Parallel()
	db := newSQLite(t)
	s := newSession(t, db)
	s.send("$tool run --ttl 1s name -- cat\n")
	s.send("one\n")
	s.expect("one\r\none\r\n")
	for range 2 {
		s.send(ctrlZ)
		s.expect("Stopped")
		s.expect(" ready> ")
		for begin := time.Now(); time.Since(begin) < 1500*time.Millisecond; {
			if !held(t, db, "name") {
				t.Fatal("the lock was lost while the command was stopped")
			}
		}
		s.send("fg\n")
		s.expect("run --ttl 1s name -- cat")
		s.send("two\n")
		s.expect("two\r\ntwo\r\n")
	}
	s.send(ctrlD)
	s.expect("0 ready> ")
}

// In the background a command that reads the terminal stops, and goes on in the
// foreground.
func TestTerminalBackground(t *testing.T) {
	s := newSession(t, newSQLite(t))
	s.send("$tool run name -- cat\n")
	s.send("one\n")
	s.expect("one\r\none\r\n")
	s.send(ctrlZ)
	s.expect("Stopped")
	s.expect(" ready> ")
	s.send("bg\n")
	s.expect("&")
	s.send("jobs; echo asked\n") // after a moment it has tried to read
	s.expect("asked")
	until(t, "the job is stopped again", func() bool {
		s.send("jobs -s | grep -c nam[e] | sed s/^/stopped:/\n")
		s.expect("stopped:")
		time.Sleep(20 * time.Millisecond)
		return strings.HasPrefix(s.screen.String()[s.seen:], "1")
	})
	s.send("fg\n")
	s.expect("fg\r\n$tool run name -- cat") // and not what says that it is stopped
	s.send("two\n")
	s.expect("two\r\ntwo\r\n")
	s.send(ctrlD)
	s.expect("0 ready> ")
}

// A job started in the background and brought to the foreground gets the terminal
// when it reads.
func TestTerminalStartedInBackground(t *testing.T) {
	s := newSession(t, newSQLite(t))
	s.send("$tool run name -- sh -c 'read line; echo got $line; exit 4' &\n")
	s.expect("ready> ")
	s.send("fg\n")
	s.expect("exit 4'")
	s.send("a line\n")
	s.expect("got a line")
	s.expect("4 ready> ")
}

// A script that runs us is stopped with us, and continued.
func TestTerminalCtrlZInAScript(t *testing.T) {
	s := newSession(t, newSQLite(t))
	s.send(`bash -c '"$tool" run name -- cat; echo script goes on with $?'` + "\n")
	s.send("one\n")
	s.expect("one\r\none\r\n")
	s.send(ctrlZ)
	s.expect("Stopped")
	s.expect(" ready> ")
	s.send("fg\n")
	s.expect("goes on")
	s.send("two\n")
	s.expect("two\r\ntwo\r\n")
	s.send(ctrlD)
	s.expect("script goes on with 0")
}

// An interactive shell works as the command, job control and all.
func TestTerminalInteractiveShell(t *testing.T) {
	db := newSQLite(t)
	s := newSession(t, db)
	s.send("PS1='inner> ' $tool run name -- bash --norc --noprofile --noediting -i\n")
	s.expect("\ninner> ")
	if out := s.screen.String(); strings.Contains(out, "job control") {
		t.Error("the shell has no job control")
	}
	s.send("sh -c 'echo a job; exec sleep 600'\n")
	s.expect("\na job")
	s.send(ctrlZ)
	s.expect("Stopped")
	s.expect("\ninner> ")
	s.send("echo $LEASEHOLD_NAME is mine\n")
	s.expect("name is mine")
	if !held(t, db, "name") {
		t.Error("the lock is not held")
	}
	s.send("disown -a; exit 9\n")
	s.expect("9 ready> ")
}

// After a command that was killed the terminal is as before.
func TestTerminalRestored(t *testing.T) {
	s := newSession(t, newSQLite(t))
	s.send("$tool run name -- sh -c 'stty raw -echo; echo is raw; kill -KILL $$'\n")
	s.expect("\nis raw")
	s.expect("137 ready> ")
	s.send("stty -a | grep -o -e '-*icanon' -e ' -*echo '\n")
	s.expect("\r\nicanon\r\n echo ")
}

// A message to a terminal from the background does not stop us.
func TestTerminalMessages(t *testing.T) {
	t.Parallel()
	db := newSQLite(t)
	s := newSession(t, db)
	s.send("stty tostop; $tool run --ttl 2s name -- sleep 600 > /dev/null\n")
	until(t, "the lock is held", func() bool { return held(t, db, "name") })
	quick(t, db, "revoke", "name").wantStatus(0)
	s.expect("leasehold: lock \"name\" lost")
	s.expect("79 ready> ")
}
