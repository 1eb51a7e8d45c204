package sqlite

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
)

// TestDeletedLeaseFile: whoever deletes it ends the lease, and its client learns
// that at its next renewal.
func TestDeletedLeaseFile(t *testing.T) {
	store := tempStore(t)
	holder, other := newClient(t, store), newClient(t, store)
	holder.hold("a")
	if err := os.Remove(holder.leases.file(holder.lease)); err != nil {
		t.Fatal(err)
	}
	if other.liveness("a", holder.lease) != driver.Dead {
		t.Error("a lease without a file looks alive")
	}
	if _, err := holder.RenewLease(t.Context(), holder.lease); !errors.Is(err, driver.ErrLeaseGone) {
		t.Errorf("RenewLease: %v, want ErrLeaseGone", err)
	}
}

// TestDeletedLeaseDirectory: all leases end, and new ones can be made.
func TestDeletedLeaseDirectory(t *testing.T) {
	store := tempStore(t)
	c := newClient(t, store)
	if err := os.RemoveAll(c.path + ".leases"); err != nil {
		t.Fatal(err)
	}
	if _, err := c.RenewLease(t.Context(), c.lease); !errors.Is(err, driver.ErrLeaseGone) {
		t.Errorf("RenewLease: %v, want ErrLeaseGone", err)
	}
	next := leaseOn(t, c.conn)
	next.hold("a")
	if newClient(t, store).liveness("a", next.lease) != driver.Alive {
		t.Error("the new lease looks dead")
	}
}

// TestReplacedDatabase: a client of a file that others do not find any more holds
// nothing.
func TestReplacedDatabase(t *testing.T) {
	c := newClient(t, tempStore(t))
	c.hold("a")
	moved := filepath.Join(t.TempDir(), "moved.db")
	if err := os.Rename(c.path, moved); err != nil {
		t.Fatal(err)
	}
	if _, err := c.RenewLease(t.Context(), c.lease); !errors.Is(err, driver.ErrLeaseGone) {
		t.Errorf("RenewLease: %v, want ErrLeaseGone", err)
	}
	_, err := c.CreateLease(t.Context(), driver.Lease{ID: driver.NewID(), TTL: testTTL})
	if !errors.Is(err, errReplaced) || !driver.IsPermanent(err) {
		t.Errorf("CreateLease: %v", err)
	}
}

// TestLivenessIsNotTime: a client that lives is not ended on grounds of time, and
// one that is dead only on grounds that hold.
func TestLivenessIsNotTime(t *testing.T) {
	store := tempStore(t)
	holder, other := newClient(t, store), newClient(t, store)
	holder.hold("a")
	beat := other.view("a").Leases[holder.lease].Beat
	grounds := []driver.Grounds{{Observed: beat}, {Overdue: 1}, {Dead: true}}
	for _, g := range grounds {
		if other.endLease(holder.lease, g) {
			t.Fatalf("a living lease was ended: %+v", g)
		}
	}
	_ = holder.Close()
	for _, g := range []driver.Grounds{{Observed: beat + 1}, {Overdue: time.Hour}} {
		if other.endLease(holder.lease, g) {
			t.Fatalf("a lease was ended on false grounds: %+v", g)
		}
	}
	if !other.endLease(holder.lease, driver.Grounds{Observed: beat}) {
		t.Error("a dead lease was not ended")
	}
	if _, err := os.Stat(other.leases.file(holder.lease)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("its file: %v", err)
	}
}

// TestBeatFile: sense is made of what can be read, and of nothing else.
func TestBeatFile(t *testing.T) {
	store := tempStore(t)
	holder, other := newClient(t, store), newClient(t, store)
	holder.hold("a")
	for _, text := range []string{"", "x", "99999999999999999999999999 1\n"} {
		if err := os.WriteFile(holder.leases.file(holder.lease), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		state := other.view("a").Leases[holder.lease]
		if state.Beat != 1 || state.Liveness != driver.Alive {
			t.Errorf("file %q: beat %d, liveness %v", text, state.Beat, state.Liveness)
		}
	}
	if _, err := holder.RenewLease(t.Context(), holder.lease); err != nil {
		t.Fatal(err)
	}
	if state := other.view("a").Leases[holder.lease]; state.Beat < 2 || state.Age > 5*time.Second {
		t.Errorf("after a renewal: %+v", state)
	}
}

// TestSweep: what died long ago is taken away when a client connects; what lives,
// and what died just now, stays.
func TestSweep(t *testing.T) {
	store := tempStore(t)
	living, recent, old := newClient(t, store), newClient(t, store), newClient(t, store)
	names := map[*client]string{living: "living", recent: "recent", old: "old"}
	for c, name := range names {
		c.hold(name)
	}
	path := living.path
	stray := filepath.Join(path+".leases", driver.NewID().String())
	other := filepath.Join(path+".leases", "README")
	for _, name := range []string{stray, other} {
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	_, _ = recent.Close(), old.Close()
	db := openUser(t, path)
	if _, err := db.Exec(`UPDATE leasehold_lease SET created_at = 1 WHERE id <> ?`, recent.lease[:]); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{living.leases.file(living.lease), old.leases.file(old.lease), stray, other} {
		if err := os.Chtimes(name, time.Time{}, time.Now().Add(-2*time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	c := newClient(t, store)
	for victim, name := range names {
		_, row := c.view(name).Leases[victim.lease]
		_, err := os.Stat(c.leases.file(victim.lease))
		if stays := victim != old; row != stays || (err == nil) != stays {
			t.Errorf("%s: row %v, file %v; want both to be %v", name, row, err, stays)
		}
	}
	if _, err := os.Stat(stray); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the stray file: %v", err)
	}
	if _, err := os.Stat(other); err != nil {
		t.Errorf("a file that is none of ours: %v", err)
	}
}

// TestSecondFileLock: the same lease id cannot be made by another client.
func TestSecondFileLock(t *testing.T) {
	store := tempStore(t)
	first, second := newClient(t, store), newClient(t, store)
	lease := driver.Lease{ID: first.lease, TTL: testTTL}
	if _, err := second.CreateLease(t.Context(), lease); !driver.IsPermanent(err) {
		t.Errorf("another client made the same lease: %v", err)
	}
	if _, err := first.CreateLease(t.Context(), lease); err != nil {
		t.Errorf("the client itself, again: %v", err)
	}
	if _, err := second.LeaseFile(first.lease); err == nil {
		t.Error("the file of another's lease was given")
	}
}

// TestProbesDoNotDisturb: any number may look at the same dead lease at once, and
// none takes another's look for life.
func TestProbesDoNotDisturb(t *testing.T) {
	store := tempStore(t)
	dead, c := newClient(t, store), newClient(t, store)
	_ = dead.Close()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 500 {
				if c.leases.alive(dead.lease) {
					t.Error("a dead lease looks alive")
					return
				}
			}
		})
	}
	wg.Wait()
}
