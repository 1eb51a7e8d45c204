package pglock

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
)

// plainLogger writes both levels as lines.
type plainLogger struct{ Logger }

func (l *plainLogger) Debug(msg string, args ...any) { l.Println(fmt.Sprintf(msg, args...)) }
func (l *plainLogger) Error(msg string, args ...any) { l.Println(fmt.Sprintf(msg, args...)) }

// handler passes what the engine logs to the user's logger.
type handler struct {
	log   LevelLogger
	attrs []slog.Attr
}

// Enabled implements slog.Handler: the user's logger decides.
func (h handler) Enabled(context.Context, slog.Level) bool { return true }

// Handle implements slog.Handler.
func (h handler) Handle(_ context.Context, r slog.Record) error {
	var text strings.Builder
	add := func(a slog.Attr) bool {
		fmt.Fprintf(&text, " %s=%q", a.Key, a.Value.String())
		return true
	}
	for _, a := range h.attrs {
		add(a)
	}
	r.Attrs(add)
	message := strings.TrimPrefix(r.Message, "leasehold: ")
	if r.Level >= slog.LevelWarn {
		h.log.Error("pglock: %s%s", message, text.String())
	} else {
		h.log.Debug("pglock: %s%s", message, text.String())
	}
	return nil
}

// WithAttrs implements slog.Handler.
func (h handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	h.attrs = append(h.attrs[:len(h.attrs):len(h.attrs)], attrs...)
	return h
}

// WithGroup implements slog.Handler: the engine has no groups.
func (h handler) WithGroup(string) slog.Handler { return h }
