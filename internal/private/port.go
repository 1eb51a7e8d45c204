package private

import (
	"errors"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
)

// FreePort returns a port nobody listens on. It lies below the range that
// systems draw outgoing ports from, so that none takes it while the server is
// stopped.
func FreePort() (int, error) {
	for range 100 {
		port := 20000 + rand.IntN(12000)
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err == nil {
			return port, l.Close()
		}
	}
	return 0, errors.New("no free port between 20000 and 32000")
}

// OnFreePort calls start with a free port, which somebody else may take before the server
// does: then the server's log has the text taken, and it is called with another one.
func (p *Process) OnFreePort(taken string, start func(port int) error) error {
	var err error
	for range 5 {
		var port int
		if port, err = FreePort(); err != nil {
			return err
		}
		if err = start(port); err == nil || !strings.Contains(p.Log(), taken) {
			return err
		}
	}
	return err
}
