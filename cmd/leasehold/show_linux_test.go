package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/leaseholdgo/leasehold"
)

// shown is what inspect --json prints, as far as tests look at it.
type shown struct {
	State   string
	Mode    *string
	Fence   uint64
	Holders int
	Limit   *int
	Kept    *float64
	Grants  []struct {
		Owner   string
		PID     int
		Fence   uint64
		Revoked *struct{ Reason string }
	}
	Data *struct {
		Size int
		Text *string
	}
}

func inspected(t *testing.T, db, name string) shown {
	t.Helper()
	var s shown
	if err := json.Unmarshal([]byte(quick(t, db, "inspect", "--json", name).out.String()), &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// squeezed is what the tool prints, with single spaces.
func squeezed(t *testing.T, db string, args ...string) string {
	t.Helper()
	r := quick(t, db, args...)
	r.wantStatus(0)
	return strings.Join(strings.Fields(r.out.String()), " ")
}

func TestShowModes(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, db string) {
		sleeper(t, db, "--shared", "--owner", "ann", "c/shared")
		sleeper(t, db, "--shared", "--owner", "bob", "c/shared")
		sleeper(t, db, "--permits", "3", "--owner", "eve", "b/permits")
		quick(t, db, "run", "--min-hold", "10m", "a/kept", "--", "true").wantStatus(0)

		list := squeezed(t, db, "ls")
		for _, part := range []string{"a/kept kept - -", "b/permits permits 1/3 eve ", "c/shared shared ann +1 "} {
			if !strings.Contains(list, part) {
				t.Errorf("ls prints %q, which lacks %q", list, part)
			}
		}
		shared := inspected(t, db, "c/shared")
		if shared.State != "held" || *shared.Mode != "shared" || shared.Limit != nil || shared.Holders != 2 || len(shared.Grants) != 2 {
			t.Fatalf("shared: %+v", shared)
		}
		if g := shared.Grants; g[0].Owner != "ann" || g[1].Owner != "bob" || g[0].Fence >= g[1].Fence || g[1].Fence != shared.Fence {
			t.Errorf("shared by %+v", g)
		}
		text := squeezed(t, db, "inspect", "c/shared")
		for _, want := range []string{"state: shared", "holders: 2", fmt.Sprintf("%d: ann on ", shared.Grants[0].Fence), fmt.Sprintf("%d: bob on ", shared.Grants[1].Fence)} {
			if !strings.Contains(text, want) {
				t.Errorf("inspect prints %q, which lacks %q", text, want)
			}
		}
		if p := inspected(t, db, "b/permits"); *p.Mode != "permits" || *p.Limit != 3 || p.Holders != 1 || p.Kept != nil {
			t.Errorf("permits: %+v", p)
		}
		if k := inspected(t, db, "a/kept"); k.State != "kept" || *k.Mode != "exclusive" || k.Kept == nil || *k.Kept <= 0 || *k.Kept > 600 || k.Holders != 0 {
			t.Errorf("kept: %+v", k)
		}
		if text := squeezed(t, db, "inspect", "a/kept"); !strings.Contains(text, "kept: for another ") {
			t.Errorf("inspect prints %q", text)
		}
	})
}

// Of several holders one is revoked by its fence; without a fence they are listed.
func TestRevokeOneOfSeveral(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, db string) {
		first, second := sleeper(t, db, "--permits", "2", "name"), sleeper(t, db, "--permits", "2", "name")
		grants := inspected(t, db, "name").Grants
		if len(grants) != 2 {
			t.Fatalf("there are %d grants", len(grants))
		}
		quick(t, db, "revoke", "name").wantError(statusUsage, "--fence", fmt.Sprint(grants[0].Fence), fmt.Sprint(grants[1].Fence))
		quick(t, db, "revoke", "name", "--fence", "1").wantError(statusUsage, "under fence 1")
		quick(t, db, "revoke", "name", "--fence", "0").wantError(statusUsage)
		quick(t, db, "revoke", "name", "--fence", fmt.Sprint(grants[0].Fence), "--reason", "it was the first").wantStatus(0)
		first.wantError(statusLost, "it was the first")
		if left := inspected(t, db, "name").Grants; len(left) != 1 || left[0].Fence != grants[1].Fence || left[0].Revoked != nil {
			t.Errorf("left are %+v", left)
		}
		quick(t, db, "revoke", "name").wantStatus(0)
		second.wantError(statusLost)
	})
}

func TestInspectData(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, db string) {
		where, err := parseDatabase(db, "test")
		if err != nil {
			t.Fatal(err)
		}
		store, err := where.open()
		if err != nil {
			t.Fatal(err)
		}
		defer store.close()
		client, err := leasehold.Open(t.Context(), store, leasehold.Config{})
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		lock, err := client.Acquire(t.Context(), "name", leasehold.Data([]byte("page 7\n")))
		if err != nil {
			t.Fatal(err)
		}
		if text := squeezed(t, db, "inspect", "name"); !strings.HasSuffix(text, " data: 7 bytes: page 7") {
			t.Errorf("inspect prints %q", text)
		}
		if d := inspected(t, db, "name").Data; d == nil || d.Size != 7 || d.Text == nil || *d.Text != "page 7\n" {
			t.Errorf("data: %+v", d)
		}
		for _, b := range [][]byte{{'a', 0x1b, '[', 'm'}, {0xff}, bytes.Repeat([]byte("x"), longestText+1)} {
			if err := lock.SetData(t.Context(), b); err != nil {
				t.Fatal(err)
			}
			if text := squeezed(t, db, "inspect", "name"); !strings.HasSuffix(text, fmt.Sprintf(" data: %d bytes", len(b))) {
				t.Errorf("inspect prints %q", text)
			}
		}
	})
}

func TestStateForPeople(t *testing.T) {
	two := []leasehold.Holder{{Owner: "a"}, {Owner: "b"}}
	for want, info := range map[string]leasehold.Info{
		"free":                 {State: leasehold.Free},
		"held":                 {State: leasehold.Held, Holders: two[:1]},
		"revoked":              {State: leasehold.Revoked, Holders: two[:1]},
		"kept":                 {State: leasehold.Kept, Kept: time.Second},
		"shared":               {State: leasehold.Held, Holders: two, Shared: true},
		"shared, revoked":      {State: leasehold.Revoked, Holders: two, Shared: true},
		"permits 2/3":          {State: leasehold.Held, Holders: two, Limit: 3},
		"permits 2/3, expired": {State: leasehold.Expired, Holders: two, Limit: 3},
	} {
		if got := newEntry(info).state(); got != want {
			t.Errorf("%+v is %q, want %q", info, got, want)
		}
	}
}

// What a store cannot do is no mistake of the command line, and no outage.
func TestUnsupported(t *testing.T) {
	err := fmt.Errorf("leasehold: acquire %q: %w", "name", leasehold.ErrUnsupported)
	if status, line := exitOf(err, job{HeldStatus: statusHeld}); status != statusConfig || !strings.Contains(line, "this database cannot do that") {
		t.Errorf("exit status %d: %s", status, line)
	}
	if status, _ := exitOf(context.DeadlineExceeded, job{}); status != statusUnavailable {
		t.Errorf("another error: exit status %d", status)
	}
}
