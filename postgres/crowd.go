package postgres

import (
	"fmt"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/crowd"
)

// crowdText is how the column of that name is written: the server's statements compare its
// ids with those of type uuid.
var crowdText = crowd.Text{ID: func(id driver.ID) string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
}}

// crowdOf returns what of the row goes into the column, or nil for a plain row, and only
// for that.
func crowdOf(l *driver.Lock) ([]byte, error) {
	if l.Plain() {
		return nil, nil
	}
	if text := crowdText.Encode(l); text != nil {
		return text, nil
	}
	return []byte(`{}`), nil // there is nothing but data
}

// crowdInto puts the column into the row that was read at the instant now, by the server's
// clock. It says what is damaged, or nothing.
func crowdInto(l *driver.Lock, column []byte, now time.Time) (damage string) {
	if damage = crowd.Decode(l, column, now); damage != "" {
		return damage
	}
	for i := range l.Members {
		g := &l.Members[i]
		g.Since = g.Since.UTC()
		if g.Mark != nil {
			g.Mark.At = g.Mark.At.UTC()
		}
	}
	if !l.KeptUntil.IsZero() {
		l.KeptUntil = l.KeptUntil.UTC()
	}
	if !l.Held() {
		l.Kept = max(l.KeptUntil.Sub(now), 0)
	}
	return ""
}
