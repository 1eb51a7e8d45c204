package server

import (
	"context"
	"fmt"
	"net/http"
)

// startEtcd starts an etcd of one member, durable as it is by default.
func startEtcd(ctx context.Context) (*Private, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	peerAddr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	client, peer := "http://"+addr, "http://"+peerAddr
	p, err := startPrivate("etcd", addr, func(dir string) []string {
		return []string{
			"--data-dir", dir + "/data", "--listen-client-urls", client, "--advertise-client-urls", client,
			"--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", "default=" + peer,
		}
	})
	if err != nil {
		return nil, err
	}
	return p, p.await(ctx, func() error {
		answer, err := http.Get(client + "/health")
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			return fmt.Errorf("health: %s", answer.Status)
		}
		return nil
	})
}
