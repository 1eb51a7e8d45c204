package pglock

import (
	"context"
	"time"
)

// Defaults of a client.
const (
	DefaultTableName          = "locks"
	DefaultLeaseDuration      = 20 * time.Second
	DefaultHeartbeatFrequency = 5 * time.Second
)

// ClientOption changes how a client works.
type ClientOption func(*config)

type config struct {
	table     string
	owner     string
	lease     time.Duration
	heartbeat time.Duration
	log       LevelLogger
}

// Logger writes lines.
type Logger interface{ Println(v ...any) }

// LevelLogger writes messages of two levels. args follow the format of the message, if it
// has one, as for fmt.Sprintf.
type LevelLogger interface {
	Debug(msg string, args ...any)
	Error(msg string, args ...any)
}

// WithLogger logs to l what fails, what is lost and what was taken over.
//
// Deprecated: use WithLevelLogger.
func WithLogger(l Logger) ClientOption {
	if l == nil {
		return WithLevelLogger(nil)
	}
	return WithLevelLogger(&plainLogger{l})
}

// WithLevelLogger logs to l: losses and failing heartbeats as errors, the rest as debug
// messages. Names of locks and owners are logged, data and statements are not. Nil: nothing
// is logged, as by default.
func WithLevelLogger(l LevelLogger) ClientOption { return func(c *config) { c.log = l } }

// WithLeaseDuration sets how long a lock stays taken when its holder has died. At
// least twice the heartbeat frequency, and 100 ms. It must be the same for all clients of
// a table. Defaults to DefaultLeaseDuration.
func WithLeaseDuration(d time.Duration) ClientOption { return func(c *config) { c.lease = d } }

// WithHeartbeatFrequency sets how often heartbeats are sent: at least three times in a
// lease duration whatever it is, with the defaults just that, and at most a hundred times,
// or every 10 ms.
//
// 0 or less turns them off: a lock then ends at its trust deadline, unless
// [Client.SendHeartbeat] is called for it. Defaults to DefaultHeartbeatFrequency.
func WithHeartbeatFrequency(d time.Duration) ClientOption {
	return func(c *config) { c.heartbeat = d }
}

// WithCustomTable sets the name of the table: one that needs no quotes, with a schema if
// wanted. New refuses others. Defaults to DefaultTableName.
func WithCustomTable(name string) ClientOption { return func(c *config) { c.table = name } }

// WithOwner sets the owner that locks are marked with, for people to read: at most 255
// characters. Defaults to "pglock-" and something random.
func WithOwner(owner string) ClientOption { return func(c *config) { c.owner = owner } }

// LockOption changes one acquisition.
type LockOption func(*lockOptions)

type lockOptions struct {
	try       bool
	data      []byte
	replace   bool
	keep      bool
	heartbeat context.Context // nil: heartbeats end with the lock
}

// FailIfLocked makes the acquisition return ErrNotAcquired at once if the lock is held,
// unless its holder is known to be dead: this client has seen the row unchanged for a
// lease duration, at earlier attempts.
func FailIfLocked() LockOption { return func(o *lockOptions) { o.try = true } }

// WithData stores data with the lock when its row is new.
func WithData(data []byte) LockOption { return func(o *lockOptions) { o.data = data } }

// ReplaceData makes WithData replace what an existing row holds: one that was kept, or
// one that is taken over from a dead holder.
func ReplaceData() LockOption { return func(o *lockOptions) { o.replace = true } }

// KeepOnRelease keeps the row, with its data, when the lock is released.
func KeepOnRelease() LockOption { return func(o *lockOptions) { o.keep = true } }

// WithCustomHeartbeatContext ends the lock a lease duration after ctx has ended, if it
// was not released before. It replaces, in [Client.Do], the context given to Do.
func WithCustomHeartbeatContext(ctx context.Context) LockOption {
	return func(o *lockOptions) { o.heartbeat = ctx }
}
