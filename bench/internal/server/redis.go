package server

import (
	"context"
	"net"
)

// startRedis starts one Redis without persistence.
func startRedis(ctx context.Context) (*Private, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	p, err := startPrivate("redis-server", addr, func(dir string) []string {
		return []string{"--bind", host, "--port", port, "--dir", dir, "--save", "", "--appendonly", "no"}
	})
	if err != nil {
		return nil, err
	}
	return p, p.await(ctx, func() error {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			err = conn.Close()
		}
		return err
	})
}
