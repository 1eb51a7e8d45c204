package backoff

import "time"

// Pauses yields what Seq yields, without a loop of its own.
type Pauses struct{ next, limit time.Duration }

// New returns the pauses of Seq(first, limit).
func New(first, limit time.Duration) Pauses {
	return Pauses{next: max(first, time.Millisecond), limit: limit}
}

// Next returns the next pause.
func (p *Pauses) Next() time.Duration {
	d := p.next
	p.next = max(min(2*d, p.limit), time.Millisecond)
	return Jitter(d)
}
