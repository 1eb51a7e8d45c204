package explore

import (
	"fmt"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/keepalive"
)

// step is one event.
type step struct {
	kind   kind
	client byte
	arg    byte // a name
}

type kind byte

const (
	passTime kind = iota
	begin
	ask
	askLost
	askLate
	answered
	hinted
	cancel
	letGo
	leave
	leaveLost
	renew
	renewLost
	renewLate
	renewed
	reread
	known
	unknown
	expire
	drop
	exorcise
	look
	lookLate
	judge
	proceed
	watchGrace
	crash
	revoke
	makeCopy
	promote
)

// steps returns all events that may come next.
func (w *world) steps(to []step) []step {
	for i := range w.people {
		if c := &w.people[i]; !c.crashed {
			to = w.stepsOf(c, to)
		}
	}
	for name := range w.db.locks {
		if _, ok := w.revocable(name); ok && w.spent.revokes < byte(w.bounds.Revokes) {
			to = append(to, step{kind: revoke, arg: byte(name)})
		}
	}
	if w.spent.promotions < byte(w.bounds.Promotions) {
		if w.copy == nil {
			to = append(to, step{kind: makeCopy})
		} else {
			to = append(to, step{kind: promote})
		}
	}
	return append(to, step{kind: passTime})
}

func (w *world) stepsOf(c *client, to []step) []step {
	to = w.ofAttempt(c, to)
	to = w.ofRenewal(c, to)
	add := func(k kind) { to = append(to, step{kind: k, client: byte(c.number)}) }
	switch {
	case c.watcher.look != nil:
		add(judge)
	case c.watcher.plan != nil:
		add(proceed)
	case w.canLook(c):
		add(look)
		if w.spent.late < byte(w.bounds.Late) {
			add(lookLate)
		}
	}
	if !w.db.granting && c.attempt.open() {
		add(watchGrace)
	}
	if w.spent.crashes < byte(w.bounds.Crashes) && !c.lease.IsZero() {
		add(crash)
	}
	return to
}

func (w *world) ofAttempt(c *client, to []step) []step {
	a := &c.attempt
	add := func(k kind) { to = append(to, step{kind: k, client: byte(c.number)}) }
	lossy := w.spent.lost < byte(w.bounds.Lost)
	switch a.phase {
	case attemptNone, attemptEnded:
		if int(c.tried) < w.bounds.attempts(c.number) {
			for name := range w.db.locks {
				to = append(to, step{begin, byte(c.number), byte(name)})
			}
		}
	case attemptAsking:
		if w.db.lease(a.lease) != nil {
			add(ask)
			if lossy {
				add(askLost)
			}
			if w.spent.late < byte(w.bounds.Late) {
				add(askLate)
			}
		}
	case attemptAnswered:
		add(answered)
	case attemptHolding, attemptLost:
		add(letGo)
	case attemptLeaving:
		add(leave)
		if lossy {
			add(leaveLost)
		}
	}
	if a.hint != 0 && a.phase == attemptWaiting {
		add(hinted)
	}
	if (a.phase == attemptAsking || a.phase == attemptWaiting) && w.spent.cancels < byte(w.bounds.Cancels) {
		add(cancel)
	}
	return to
}

func (w *world) ofRenewal(c *client, to []step) []step {
	add := func(k kind) { to = append(to, step{kind: k, client: byte(c.number)}) }
	lossy := w.spent.lost < byte(w.bounds.Lost)
	switch c.renewal.phase {
	case renewalIdle:
		if w.canRenew(c) {
			add(renew)
			if lossy {
				add(renewLost)
			}
			if w.spent.late < byte(w.bounds.Late) {
				add(renewLate)
			}
		}
	case renewalAnswered, renewalRefused:
		add(renewed)
	case renewalAsking:
		add(reread)
	case renewalRead:
		add(known)
		if lossy {
			add(unknown)
		}
	}
	if c.lease.IsZero() {
		return to
	}
	if c.trust.Cause == nil && !c.trust.At(local(c.number, w.now)) {
		add(expire)
	}
	if !c.attempt.open() {
		add(drop)
	}
	if c.ghosts {
		add(exorcise)
	}
	return to
}

// take makes the event happen, in place.
func (w *world) take(s step) {
	c := &w.people[0]
	if int(s.client) < len(w.people) {
		c = &w.people[s.client]
	}
	a := &c.attempt
	switch s.kind {
	case passTime:
		if w.now++; w.copy != nil && w.now > w.copied+w.bounds.Lag {
			w.copy = nil
		}
		for i := range w.people {
			w.people[i].passed(w.now)
		}
	case begin:
		w.begin(c, int(s.arg))
	case ask, askLost:
		if w.ask(c, w.lose(s.kind == askLost)); a.phase == attemptAnswered {
			w.answered(c)
		}
	case askLate:
		w.spent.late++
		w.ask(c, false)
	case answered:
		w.answered(c)
	case hinted:
		w.hinted(c)
	case cancel:
		w.spent.cancels++
		a.phase, a.satisfied = attemptLeaving, true
	case letGo:
		w.letGo(c)
	case leave, leaveLost:
		w.leave(c, w.lose(s.kind == leaveLost))
	case renew, renewLost:
		w.renew(c, w.lose(s.kind == renewLost))
		w.finishRenewal(c)
	case renewLate:
		w.spent.late++
		w.renew(c, false)
	case renewed:
		w.renewed(c)
	case reread:
		w.reread(c)
	case known:
		w.known(c, nil)
	case unknown:
		w.spent.lost++
		w.known(c, errLost)
	case expire:
		w.end(c, keepalive.ErrExpired)
	case drop:
		w.drop(c)
	case exorcise:
		w.exorcise(c)
	case look:
		w.look(c)
		for w.judge(c); c.watcher.plan != nil; {
			w.proceed(c)
		}
	case lookLate:
		w.spent.late++
		w.look(c)
	case judge:
		w.judge(c)
	case proceed:
		w.proceed(c)
	case watchGrace:
		w.watchGrace(c)
	case crash:
		w.spent.crashes++
		*c = client{number: c.number, crashed: true}
	case revoke:
		w.spent.revokes++
		w.revoke(int(s.arg))
	case makeCopy:
		d := w.db.clone()
		w.copy, w.copied = &d, w.now
	case promote:
		w.promote()
	}
}

// lose counts a lost reply.
func (w *world) lose(lost bool) bool {
	if lost {
		w.spent.lost++
	}
	return lost
}

// promote makes the copy the database, in another incarnation.
func (w *world) promote() {
	w.spent.promotions++
	incarnation := w.db.incarnation + 1
	w.db, w.copy = w.copy.clone(), nil
	w.db.incarnation = incarnation
}

func nameOf(id driver.ID) string { return fmt.Sprintf("%d.%d", id[1], id[2]) }

func fenceOf(fence uint64) string {
	return fmt.Sprintf("%dus", fence-uint64(epochStart.UnixMicro()))
}

// describe says what the event is, in the state before it.
func (w *world) describe(s step) string {
	if int(s.client) >= len(w.people) {
		return ""
	}
	c := &w.people[s.client]
	who := fmt.Sprintf("client %d", s.client)
	name := w.db.locks[c.attempt.name].Name
	switch s.kind {
	case passTime:
		return fmt.Sprintf("time passes: tick %d", w.now+1)
	case begin:
		return fmt.Sprintf("%s wants %s", who, w.db.locks[s.arg].Name)
	case ask:
		return fmt.Sprintf("%s sends Acquire of %s", who, name)
	case askLost:
		return fmt.Sprintf("%s sends Acquire of %s; the reply is lost", who, name)
	case askLate:
		return fmt.Sprintf("%s sends Acquire of %s; the reply will come late", who, name)
	case answered:
		return who + " gets the reply"
	case hinted:
		return who + " gets the notification of its grant"
	case cancel:
		return who + " gives up"
	case letGo:
		return fmt.Sprintf("%s lets go of %s", who, name)
	case leave:
		return fmt.Sprintf("%s sends Release of %s", who, name)
	case leaveLost:
		return fmt.Sprintf("%s sends Release of %s; the reply is lost", who, name)
	case renew:
		return who + " sends a renewal"
	case renewLost:
		return who + " sends a renewal; the reply is lost"
	case renewLate:
		return who + " sends a renewal; the reply will come late"
	case renewed:
		return who + " gets the reply to its renewal"
	case reread:
		return who + " reads the rows of its locks again"
	case known:
		return who + " gets these rows"
	case unknown:
		return who + " does not get these rows"
	case expire:
		return who + " notices its trust deadline"
	case drop:
		return who + " deletes its lease"
	case exorcise:
		return who + " releases what it does not know"
	case look:
		return who + " looks at the rows it waits for"
	case lookLate:
		return who + " looks at the rows it waits for, and will act on them late"
	case judge:
		return who + " gets these rows, and judges them"
	case proceed:
		return fmt.Sprintf("%s %v", who, c.watcher.plan)
	case watchGrace:
		return who + " finds that nothing is granted"
	case crash:
		return who + " crashes"
	case revoke:
		return fmt.Sprintf("an operator revokes %s", w.db.locks[s.arg].Name)
	case makeCopy:
		return "a standby copies the database, and lags from here on"
	default:
		return "the standby is promoted"
	}
}
