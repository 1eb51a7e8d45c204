// Package elect elects one leader among processes, over a [leasehold.Client]: an
// election is a lock, leading is holding it, and the lock's fence numbers the terms.
//
// # What it does not promise
//
// Two may act as leaders at once. At any instant at most one may believe that it
// leads ([Term.Leads]), and the context of its term has ended before another is
// elected; but code that does not watch the context, or that was paused between
// asking and acting, goes on beside the next leader: its last request may arrive
// after the first one of its successor. What must not suffer from that checks the
// number of the term and rejects smaller ones, or is written in a transaction that
// guards the lock ([Term.Lock]).
//
// Somebody need not lead at every moment: between the death of a leader and the
// next term lies the TTL of its client (on SQLite an instant), after a fail-over of
// the database the pause that it takes, and in an outage nobody is elected.
//
// What [Election.Leader] and [Election.Observe] tell is out of date when it
// arrives. Nothing may be decided by it, least of all that oneself leads.
//
// # What it promises
//
// Terms rise for ever. Candidates are elected in the order in which they began to
// campaign, one per client first come first served; a leader that resigns has
// handed over with one commit. A leader learns by the end of its context that its
// term is over, with a cause that says why, before anybody else is elected,
// whatever hangs.
//
// # Use
//
//	election, err := elect.New(client, "scheduler")
//	...
//	for ctx.Err() == nil {
//		term, err := election.Campaign(ctx)
//		if err != nil {
//			return err
//		}
//		lead(term.Context(), term.Number()) // returns when the context ends, or to resign
//		term.Close()
//	}
package elect
