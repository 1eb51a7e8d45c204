package client

import "testing"

func TestWaits(t *testing.T) {
	t.Parallel()
	var w waits
	if _, sure := w.only("n"); sure || w.any("n") {
		t.Error("somebody waits before anybody does")
	}
	first := w.begin("n", 1)
	w.begin("other", 2)
	if op, sure := w.only("n"); !sure || op != 1 || !w.any("n") {
		t.Errorf("one waits: %d, %v", op, sure)
	}
	second := w.begin("n", 3)
	if _, sure := w.only("n"); sure {
		t.Error("two wait, and it is sure which one is meant")
	}
	first()
	if op, sure := w.only("n"); !sure || op != 3 {
		t.Errorf("the second waits: %d, %v", op, sure)
	}
	second()
	if _, sure := w.only("n"); sure || w.any("n") {
		t.Error("somebody waits after all have ended")
	}
}
