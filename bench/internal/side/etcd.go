package side

import (
	"context"
	"errors"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"
	"go.uber.org/zap"
)

// Etcd is etcd's own package concurrency: one session of a client, and a mutex for
// each name.
type Etcd struct {
	client  *clientv3.Client
	session *concurrency.Session
}

// OpenEtcd opens a client, and a session of 60 s, which is the default.
func OpenEtcd(addr string) (*Etcd, error) {
	client, err := clientv3.New(clientv3.Config{
		Endpoints: []string{"http://" + addr}, DialTimeout: 10 * time.Second, Logger: zap.NewNop(),
	})
	if err != nil {
		return nil, err
	}
	session, err := concurrency.NewSession(client)
	if err != nil {
		return nil, errors.Join(err, client.Close())
	}
	return &Etcd{client: client, session: session}, nil
}

// Acquire implements Side.
func (e *Etcd) Acquire(ctx context.Context, name string) (func(context.Context) error, error) {
	mutex := concurrency.NewMutex(e.session, "/bench/"+name)
	if err := mutex.Lock(ctx); err != nil {
		return nil, err
	}
	return mutex.Unlock, nil
}

// Close implements Side.
func (e *Etcd) Close() error { return errors.Join(e.session.Close(), e.client.Close()) }
