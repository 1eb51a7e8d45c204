package private

import (
	"errors"
	"math/rand/v2"
	"net"
	"strconv"
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
