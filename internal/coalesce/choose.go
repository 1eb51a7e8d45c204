package coalesce

// take returns the calls to make next; none, and the queue is idle, if nobody waits.
func (q *Queue[R]) take() []*call[R] {
	return q.choose(1)
}

// Take returns more calls for Run to make, beside those that it makes already, or none: only
// where many wait is it worth the while. It is for Run, when that was given more than one
// call; they are of other names than those in progress.
func (q *Queue[R]) Take() []R {
	if len(q.running) == 0 || q.cfg.Flow == 0 {
		return nil
	}
	batch := q.choose(q.cfg.Flow)
	q.running = append(q.running, batch...)
	return requests(batch)
}

// Made tells the callers of those calls in progress of which made reports that their results
// are written. It is for Run, likewise.
func (q *Queue[R]) Made(made func(R) bool) {
	var told, rest []*call[R]
	for _, c := range q.running {
		if made(c.request) {
			told = append(told, c)
		} else {
			rest = append(rest, c)
		}
	}
	q.running = rest
	q.tell(told)
}

// choose returns the calls to make next, if there are at least so many, and tells those that
// nobody waits for any more.
func (q *Queue[R]) choose(least int) []*call[R] {
	batch, late := q.divide(least)
	for _, c := range late {
		c.tell(c.ctx.Err())
	}
	return batch
}

// divide takes the calls to make next, and those that nobody waits for any more, out of
// those that wait.
func (q *Queue[R]) divide(least int) (batch, late []*call[R]) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) < least {
		q.busy = len(q.running) > 0
		return nil, nil
	}
	most, with := q.most(), q.running
	for _, c := range q.running {
		q.named[q.cfg.Name(c.request)] = struct{}{}
	}
	rest := q.waiting[:0]
	for _, c := range q.waiting {
		if c.ctx.Err() != nil {
			late = append(late, c)
			continue
		}
		name := q.cfg.Name(c.request)
		_, named := q.named[name]
		q.named[name] = struct{}{} // what comes later of this name comes later
		if named || len(batch) == most || len(with) > 0 && !q.cfg.Together(with[0].request, c.request) {
			rest = append(rest, c)
			continue
		}
		batch = append(batch, c)
		if len(q.running) == 0 {
			with = batch
		}
	}
	clear(q.named)
	clear(q.waiting[len(rest):])
	q.waiting = rest
	q.busy = len(q.running)+len(batch) > 0
	return batch, late
}

// most returns how many calls the next batch may hold. With Flow there are three parts: one
// in progress, one that is to follow at once, and one whose callers have been told.
func (q *Queue[R]) most() int {
	if q.cfg.Flow == 0 {
		return q.cfg.Most
	}
	all := len(q.waiting) + len(q.running) + q.told
	return min(q.cfg.Most, max(q.cfg.Flow, all/3))
}
