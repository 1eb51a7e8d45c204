package main

import (
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/leaseholdgo/leasehold"
)

// details is a lock as inspect prints it.
type details struct {
	entry
	App     string     `json:"app,omitempty"`
	Since   *time.Time `json:"since,omitempty"`
	Revoked *revoked   `json:"revoked,omitempty"` // of the first holder who is
	Grants  []holder   `json:"grants"`            // in the order in which they were given
	Queue   []waiter   `json:"queue"`             // first come first
	Data    *data      `json:"data"`              // null: nothing is stored
}

// holder is one of those who hold.
type holder struct {
	waiter
	Fence   uint64    `json:"fence"`
	Since   time.Time `json:"since"`
	Age     *float64  `json:"age"`
	Revoked *revoked  `json:"revoked,omitempty"`
}

type revoked struct {
	By     string   `json:"by"`
	Reason string   `json:"reason"`
	Age    *float64 `json:"age"`
}

type waiter struct {
	Owner string `json:"owner"`
	Host  string `json:"host"`
	PID   int    `json:"pid"`
	App   string `json:"app"`
}

// data is what is stored with a lock. Text is null unless it is short and printable.
type data struct {
	Size int     `json:"size"` // bytes
	Text *string `json:"text"`
}

func newDetails(info leasehold.Info) details {
	d := details{
		entry: newEntry(info), Revoked: newRevoked(info.Mark),
		Grants: []holder{}, Queue: []waiter{}, Data: newData(info.Data),
	}
	if h := info.Holder; h != nil {
		d.App, d.Since = h.App, &h.Since
	}
	for _, h := range info.Holders {
		d.Grants = append(d.Grants, holder{
			waiter: waiter{h.Owner, h.Host, h.PID, h.App},
			Fence:  h.Fence, Since: h.Since, Age: seconds(h.Age), Revoked: newRevoked(h.Mark),
		})
	}
	for _, w := range info.Waiters {
		d.Queue = append(d.Queue, waiter(w))
	}
	return d
}

func newRevoked(m *leasehold.Mark) *revoked {
	if m == nil {
		return nil
	}
	return &revoked{By: m.By, Reason: m.Reason, Age: seconds(m.Age)}
}

// longestText is the greatest length in bytes of data that is shown and not only
// measured.
const longestText = 256

func newData(b []byte) *data {
	if len(b) == 0 {
		return nil
	}
	d := &data{Size: len(b)}
	if text := string(b); len(b) <= longestText && isText(text) {
		d.Text = &text
	}
	return d
}

// isText reports whether s can be shown: printable, or white space.
func isText(s string) bool {
	for _, r := range s {
		if !unicode.IsPrint(r) && !unicode.IsSpace(r) {
			return false
		}
	}
	return utf8.ValidString(s)
}
