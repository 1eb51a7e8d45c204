package leasehold_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/memory"
)

// eavesdropper is a store that keeps the function by which its client is woken.
type eavesdropper struct {
	driver.Store
	wake func(driver.Hint)
}

func (e *eavesdropper) Connect(ctx context.Context, s driver.Settings) (driver.Conn, error) {
	conn, err := e.Store.Connect(ctx, s)
	return &overheard{conn, e}, err
}

type overheard struct {
	driver.Conn
	by *eavesdropper
}

func (o *overheard) Listen(ctx context.Context, lease driver.ID, wake func(driver.Hint)) error {
	o.by.wake = wake
	return o.Conn.(driver.Listener).Listen(ctx, lease, wake)
}

// A notification of a grant that is delayed until the grant was revoked, passed on, and
// asked for again under the same ticket, is not believed.
func TestNotificationOfAnEarlierGrant(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		ear := &eavesdropper{Store: store}
		client, err := leasehold.Open(t.Context(), ear, leasehold.Config{TTL: ttl})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { client.Close() })
		operator := open(t, store, leasehold.Config{})
		acquire(t, client, "other")
		late := make(chan struct{})
		store.Intercept(hold("Acquire", late))
		granted := make(chan *leasehold.Lock, 1)
		go func() {
			lock, _ := client.Acquire(t.Context(), "x")
			granted <- lock
		}()
		synctest.Wait()
		store.Intercept(nil)
		reader, err := store.Connect(t.Context(), driver.Settings{TTL: ttl})
		if err != nil {
			t.Fatal(err)
		}
		defer reader.Close()
		view, err := reader.Read(t.Context(), driver.Query{Names: []string{"x"}})
		if err != nil {
			t.Fatal(err)
		}
		first := view.Locks[0]
		if err := operator.Revoke(t.Context(), "x", first.Fence, ""); err != nil {
			t.Fatal(err)
		}
		successor := acquire(t, operator, "x")
		close(late) // it is stale, and asked for again: the client waits
		time.Sleep(time.Second)
		ear.wake(driver.Hint{Name: "x", Ticket: first.Holder.Ticket, Fence: first.Fence})
		time.Sleep(time.Second)
		select {
		case lock := <-granted:
			t.Fatalf("granted under fence %d while %d is held", lock.Fence(), successor.Fence())
		default:
		}
		successor.Close()
		if lock := <-granted; lock.Fence() <= successor.Fence() {
			t.Errorf("fence %d after %d", lock.Fence(), successor.Fence())
		}
	})
}

// A notification of a grant to another ticket, of an attempt that is being given up, is
// not the news of those who wait.
func TestNotificationForAnotherTicket(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		ear := &eavesdropper{Store: store}
		client, err := leasehold.Open(t.Context(), ear, leasehold.Config{TTL: ttl})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { client.Close() })
		held := acquire(t, open(t, store, leasehold.Config{}), "x")
		got := waitWith(t, client)
		ear.wake(driver.Hint{Name: "x", Ticket: driver.NewID(), Fence: held.Fence() + 1})
		time.Sleep(time.Second)
		none(t, got)
		held.Close()
		(<-got).Close()
	})
}

// A grant whose news comes when it was revoked already, and when the notice of that was
// taken note of, is never believed in: nobody would tell its holder. The attempt begins
// again, behind the others.
func TestRevokedBeforeTheNewsOfTheGrant(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		client, operator := open(t, store, leasehold.Config{}), open(t, store, leasehold.Config{})
		acquire(t, client, "other")
		late := make(chan struct{})
		store.Intercept(hold("Acquire", late))
		granted := make(chan *leasehold.Lock)
		go func() {
			lock, err := client.Acquire(t.Context(), "x")
			if err != nil {
				t.Error(err)
			}
			granted <- lock
		}()
		synctest.Wait()
		store.Intercept(nil)
		info, err := operator.Get(t.Context(), "x")
		if err != nil || info.State != leasehold.Held {
			t.Fatalf("%+v, %v", info, err)
		}
		if err := operator.Revoke(t.Context(), "x", info.Fence, ""); err != nil {
			t.Fatal(err)
		}
		time.Sleep(ttl / 2) // a renewal returns the notice
		close(late)
		lock := <-granted
		if lock.Fence() <= info.Fence {
			t.Errorf("the grant under fence %d was revoked, and is believed in", lock.Fence())
		}
		lock.Close()
		free(t, operator, "x")
	})
}

// The same where a look shows it: what the row shows as revoked is never handed out.
func TestRevokedBeforeTheLookThatShowsTheGrant(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		deaf, err := leasehold.Open(t.Context(), deafened{store}, leasehold.Config{TTL: ttl})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { deaf.Close() })
		operator := open(t, store, leasehold.Config{})
		first := acquire(t, operator, "x")
		granted := make(chan *leasehold.Lock, 1)
		go func() {
			lock, _ := deaf.Acquire(t.Context(), "x")
			granted <- lock
		}()
		synctest.Wait()
		first.Close()
		info, err := operator.Get(t.Context(), "x")
		if err != nil || info.Fence <= first.Fence() {
			t.Fatalf("%+v, %v", info, err)
		}
		if err := operator.Revoke(t.Context(), "x", info.Fence, ""); err != nil {
			t.Fatal(err)
		}
		lock := <-granted
		if lock.Fence() <= info.Fence {
			t.Errorf("the grant under fence %d was revoked, and is handed out", lock.Fence())
		}
		lock.Close()
		free(t, operator, "x")
	})
}

// deafened is a store without notifications.
type deafened struct{ driver.Store }

func (d deafened) Connect(ctx context.Context, s driver.Settings) (driver.Conn, error) {
	conn, err := d.Store.Connect(ctx, s)
	return struct{ driver.Conn }{conn}, err
}
