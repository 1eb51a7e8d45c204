package drivertest

import (
	"bytes"
	"errors"
	"testing"

	"github.com/leaseholdgo/leasehold/driver"
)

func testData(t *testing.T, h Harness) {
	if h.Lacks.Data {
		cases{{"Unsupported", dataUnsupported}}.parallel(t, h)
		return
	}
	cases{
		{"StoredAndRead", dataStored},
		{"AnyBytes", dataAnyBytes},
		{"ClearedByRelease", dataCleared},
		{"ClearedByHandOver", dataClearedByHandOver},
		{"ClearedByTakeOver", dataClearedByTakeOver},
		{"Kept", dataKept},
		{"OnlyByAHolder", dataNotHeld},
		{"OfALockThatIsShared", dataShared},
	}.parallel(t, h)
}

func dataUnsupported(w *world) {
	if _, ok := w.client().conn.(driver.DataKeeper); ok {
		w.Error("the Conn implements driver.DataKeeper")
	}
}

func (c *client) setData(a driver.Attempt, data string, keep bool) {
	c.Helper()
	if err := c.conn.(driver.DataKeeper).SetData(c.ctx(), a, []byte(data), keep); err != nil {
		c.Fatalf("SetData(%q): %v", a.Name, err)
	}
}

func (w *world) wantData(name, data string) {
	w.Helper()
	if row := w.row(name); string(row.Data) != data {
		w.Fatalf("data of %q: %q, want %q", name, row.Data, data)
	}
}

func dataStored(w *world) {
	c := w.client()
	a, fence := c.hold("a")
	b := c.queue("a")
	c.setData(a, "one", false)
	w.wantData("a", "one")
	c.setData(a, "two", false)
	c.setData(a, "two", false) // again
	w.wantData("a", "two")
	if row := w.wantRow("a", a, b); row.Fence != fence {
		w.Errorf("data changed the fence from %d to %d", fence, row.Fence)
	}
	if reply := c.acquire(c.attempt("a"), false); string(reply.Lock.Data) != "two" {
		w.Errorf("a try is told the data %q", reply.Lock.Data)
	}
	c.setData(a, "", true)
	w.wantData("a", "")
}

func dataAnyBytes(w *world) {
	c := w.client()
	a, _ := c.hold("a")
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	large := bytes.Repeat(all, 4096) // 1 MiB
	c.setData(a, string(large), false)
	w.wantData("a", string(large))
}

func dataCleared(w *world) {
	c := w.client()
	a, _ := c.hold("a")
	c.setData(a, "x", false)
	c.release(a, driver.Released)
	w.wantData("a", "")
	c.hold("a")
	w.wantData("a", "")
}

func dataClearedByHandOver(w *world) {
	c := w.client()
	a, _ := c.hold("a")
	b := c.queue("a")
	c.setData(a, "x", false)
	c.release(a, driver.Released)
	w.wantRow("a", b)
	w.wantData("a", "")
}

func dataClearedByTakeOver(w *world) {
	dead, c := w.client(), w.client()
	for _, name := range []string{"a", "b"} {
		a, _ := dead.hold(name)
		dead.setData(a, name, name == "b")
	}
	dead.end()
	for _, name := range []string{"a", "b"} {
		c.takeOver(name, 0, dead.lease.ID)
	}
	w.wantData("a", "")
	w.wantData("b", "b")
}

func dataKept(w *world) {
	c := w.client()
	a, _ := c.hold("a")
	b := c.queue("a")
	c.setData(a, "x", true)
	c.release(a, driver.Released)
	w.wantData("a", "x")
	c.release(b, driver.Released)
	w.wantData("a", "x")
	d, _ := c.hold("a")
	w.wantData("a", "x")
	c.setData(d, "y", false)
	c.release(d, driver.Released)
	w.wantData("a", "")
}

func dataNotHeld(w *world) {
	c, other := w.client(), w.client()
	a, _ := c.hold("a")
	b := other.queue("a")
	over, _ := c.hold("b")
	c.release(over, driver.Released)
	forged := a
	forged.Lease = other.lease.ID
	before, free := w.row("a"), w.row("b")
	for _, at := range []driver.Attempt{b, over, forged, c.attempt("a"), c.attempt("never")} {
		err := other.conn.(driver.DataKeeper).SetData(w.ctx(), at, []byte("x"), true)
		if !errors.Is(err, driver.ErrNotHeld) {
			w.Errorf("SetData by %+v: %v, want ErrNotHeld", at, err)
		}
	}
	w.wantSame(before)
	w.wantSame(free)
	w.wantNone("never")
}

func dataShared(w *world) {
	if w.h.Lacks.Shared {
		return
	}
	c := w.client()
	a, _ := c.holdAs("a", shared)
	b, _ := c.holdAs("a", shared)
	c.setData(b, "x", false)
	c.release(b, driver.Released)
	w.wantData("a", "x")
	w.wantMembers("a", members{a})
	c.release(a, driver.Released)
	w.wantData("a", "")
}
