package postgres

import (
	"net"
	"time"
)

// watchPeer makes the operating system notice that the other end of a TCP
// connection is gone, within about two TTLs also where nothing is being sent.
// Other kinds of connections are left alone. Best effort: every call is bounded
// by its context anyway.
func watchPeer(conn net.Conn, ttl time.Duration) {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return
	}
	idle := max(ttl/2, time.Second)
	_ = tcp.SetKeepAliveConfig(net.KeepAliveConfig{
		Enable:   true,
		Idle:     idle,
		Interval: max(ttl/6, time.Second),
		Count:    3,
	})
	setUserTimeout(tcp, ttl)
}
