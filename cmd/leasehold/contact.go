package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/driver"
)

// connect makes first contact with the database. One that does not answer is
// tried again until the time for it is over.
func connect(ctx context.Context, j job, trouble *trouble) (*openStore, *leasehold.Client, error) {
	store, err := j.Database.open()
	if err != nil {
		return nil, nil, err
	}
	client, err := firstContact(ctx, store, leasehold.Config{
		TTL:      j.TTL,
		Owner:    j.Owner,
		App:      printable("leasehold " + j.verb() + " " + filepath.Base(j.Args[0])),
		Observer: leasehold.Observer{StoreFailed: trouble.note},
	}, j.Connect)
	if err != nil {
		store.close()
		return nil, nil, err
	}
	return store, client, nil
}

const (
	firstRetry   = 50 * time.Millisecond
	longestRetry = time.Second
)

func firstContact(ctx context.Context, store *openStore, cfg leasehold.Config, patience time.Duration) (*leasehold.Client, error) {
	attempt, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for pause := firstRetry; ; pause = min(2*pause, longestRetry) {
		client, err := leasehold.Open(attempt, store, cfg)
		if err == nil {
			return client, nil
		}
		if driver.IsPermanent(err) || errors.Is(err, leasehold.ErrInvalid) {
			return nil, err
		}
		select {
		case <-attempt.Done():
			return nil, fmt.Errorf("%w (tried for %v)", err, patience)
		case <-time.After(pause):
		}
	}
}
