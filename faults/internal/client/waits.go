package client

import "sync"

// waits are the acquisitions of one client that are in progress, by name. An
// Observer is told the name only of what is queued: which acquisition it is, is sure
// while there is one.
type waits struct {
	mu     sync.Mutex
	byName map[string]map[uint64]struct{}
}

// begin notes an acquisition, until the function it returns is called.
func (w *waits) begin(name string, op uint64) (end func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.byName == nil {
		w.byName = map[string]map[uint64]struct{}{}
	}
	if w.byName[name] == nil {
		w.byName[name] = map[uint64]struct{}{}
	}
	w.byName[name][op] = struct{}{}
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.byName[name], op)
	}
}

// any reports whether an acquisition of name is in progress.
func (w *waits) any(name string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.byName[name]) > 0
}

// only returns the one acquisition of name that is in progress; it reports false if
// there are several.
func (w *waits) only(name string) (uint64, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for op := range w.byName[name] {
		return op, len(w.byName[name]) == 1
	}
	return 0, false
}
