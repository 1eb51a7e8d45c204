package fleet

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"

	"github.com/leaseholdgo/leasehold/faults/internal/client"
)

// process is one client process.
type process struct {
	cfg    client.Config
	cmd    *exec.Cmd
	orders io.WriteCloser
	exited chan struct{} // closed when err is known
	err    error
}

// zones are where processes believe they are: as far apart as it gets.
var zones = []string{"UTC", "Pacific/Kiritimati", "Etc/GMT+12", "Asia/Kathmandu", "America/St_Johns"}

// start runs this program again, as a client.
func start(cfg client.Config) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self)
	if cmd.Env, err = cfg.Environ(); err != nil {
		return nil, err
	}
	cmd.Env = append(cmd.Env, "TZ="+zones[cfg.Seed%uint64(len(zones))])
	out, err := os.OpenFile(outputFile(cfg.Directory, cfg.Process), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = out, out, attributes()
	p := &process{cfg: cfg, cmd: cmd, exited: make(chan struct{})}
	if p.orders, err = cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		p.err = cmd.Wait()
		close(p.exited)
	}()
	return p, nil
}

// end closes the process's input and waits until it has exited.
func (p *process) end(limit time.Duration) error {
	_ = p.orders.Close() // it may have exited
	give := time.After(limit)
	for {
		// It may have been told to stop itself, and only get to it now.
		if err := proceed(p.cmd.Process); err != nil {
			return err
		}
		select {
		case <-p.exited:
			return p.failure()
		case <-give:
			p.kill()
			return fmt.Errorf("client process %s did not end within %v", p.cfg.Process, limit)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// failure returns why a process has exited, if it did so by itself and not well.
func (p *process) failure() error {
	if p.err == nil {
		return nil
	}
	return fmt.Errorf("client process %s: %w: %s", p.cfg.Process, p.err, output(p.cfg.Directory, p.cfg.Process))
}

// kill kills the process and waits until it is gone.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it may have exited
	<-p.exited               // its input is closed then, too
}
