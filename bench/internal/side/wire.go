package side

import (
	"context"
	"encoding/binary"
	"net"
	"sync/atomic"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/leaseholdgo/leasehold"
)

// OpenCounted is OpenPostgres, and counts the statements that the client sends, on all
// its connections together. They must not be encrypted.
func OpenCounted(ctx context.Context, url string, cfg leasehold.Config, statements *atomic.Int64) (*Ours, error) {
	pool, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, err
	}
	dial := pool.ConnConfig.DialFunc
	pool.ConnConfig.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return &wire{Conn: conn, statements: statements}, nil
	}
	return openPool(ctx, pool, cfg)
}

// wire counts the messages of PostgreSQL's protocol that run a statement: Query and
// Execute. https://www.postgresql.org/docs/current/protocol-message-formats.html
type wire struct {
	net.Conn
	statements *atomic.Int64

	started bool   // the first message has no type
	head    []byte // of a message, as far as it was seen
	rest    int    // bytes of a message's body to come
}

// Write implements net.Conn. pgx has one goroutine at a time write.
func (w *wire) Write(b []byte) (int, error) {
	n, err := w.Conn.Write(b)
	w.read(b[:n])
	return n, err
}

func (w *wire) read(b []byte) {
	for len(b) > 0 {
		if w.rest > 0 {
			skipped := min(w.rest, len(b))
			w.rest -= skipped
			b = b[skipped:]
			continue
		}
		w.head = append(w.head, b[0])
		b = b[1:]
		w.begin()
	}
}

// begin begins a message when its head is complete: a type and a length.
func (w *wire) begin() {
	length := w.head
	if w.started {
		length = w.head[1:]
	}
	if len(length) < 4 {
		return
	}
	w.rest = int(binary.BigEndian.Uint32(length)) - 4
	if w.started && (w.head[0] == 'Q' || w.head[0] == 'E') {
		w.statements.Add(1)
	}
	w.started, w.head = true, w.head[:0]
}
