package mysql

import (
	"slices"
	"strings"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/crowd"
)

// writes returns the statements that write the rows of changes. Most rows of a large batch
// were free and are taken, or were taken and are free now; these are written with less.
func (t *tables) writes(changes []*change) []statement {
	var made, written, taken, freed []*driver.Lock
	for _, ch := range changes {
		simple := len(changes) > 1 && bare(&ch.before) && bare(&ch.lock)
		switch {
		case !ch.exists:
			made = append(made, &ch.lock)
		case simple && !ch.before.Held():
			taken = append(taken, &ch.lock)
		case simple && !ch.lock.Held():
			freed = append(freed, &ch.lock)
		default:
			written = append(written, &ch.lock)
		}
	}
	var script []statement
	add := func(rows []*driver.Lock, texts ...func([]*driver.Lock) string) {
		for _, text := range texts {
			if len(rows) > 0 {
				script = append(script, statement{sql: text(rows)})
			}
		}
	}
	add(freed, t.freeSQL)
	add(taken, t.takeSQL)
	add(written, t.writeSQL)
	// Whoever waits for another's new row waits in the order of the names.
	slices.SortFunc(made, func(a, b *driver.Lock) int { return strings.Compare(a.Name, b.Name) })
	add(made, t.makeSQL, t.makeGuardsSQL)
	return script
}

// bare reports whether there is nothing in the row but a holder, and not even a mark.
func bare(l *driver.Lock) bool { return l.Plain() && len(l.Queue) == 0 && l.Mark == nil }

// values returns the literals of a row's columns, in their order, the name first.
func values(l *driver.Lock) []string {
	all := []string{
		bytesSQL(l.Name), number(l.Fence), "NULL", "NULL", "NULL", "NULL", "NULL", "NULL",
		queueSQL(l.Queue), "NULL", "NULL",
	}
	if l.Holder != (driver.Place{}) {
		all[2], all[3], all[4] = idSQL(l.Holder.Lease), idSQL(l.Holder.Ticket), number(l.Since.UnixMicro())
	}
	if m := l.Mark; m != nil {
		all[5], all[6], all[7] = bytesSQL(m.By), bytesSQL(m.Reason), number(m.At.UnixMicro())
	}
	if !l.Plain() {
		all[9] = optional(crowd.Text{}.Encode(l))
		all[10] = optional(l.Data)
	}
	return all
}

func queueSQL(queue []driver.Waiter) string {
	b := make([]byte, 0, len(queue)*placeSize)
	for _, w := range queue {
		b = append(append(b, w.Lease[:]...), w.Ticket[:]...)
	}
	return bytesSQL(b)
}

// writeSQL writes rows that are locked by this transaction, in one statement.
func (t *tables) writeSQL(rows []*driver.Lock) string {
	names := strings.Split(columns, ", ")
	if len(rows) == 1 {
		all := values(rows[0])
		var set []string
		for i, name := range names[1:] {
			set = append(set, name+" = "+all[1+i])
		}
		return "UPDATE " + t.lock + " SET " + strings.Join(set, ", ") + " WHERE name = " + all[0]
	}
	var set []string
	for _, name := range names[1:] {
		set = append(set, name+" = VALUES("+name+")")
	}
	return t.makeSQL(rows) + " ON DUPLICATE KEY UPDATE " + strings.Join(set, ", ")
}

// freeSQL frees locks of whose holders there is nothing else.
func (t *tables) freeSQL(rows []*driver.Lock) string {
	return "UPDATE " + t.lock + " SET holder_lease = NULL, holder_ticket = NULL, granted_at = NULL WHERE name IN (" +
		listSQL(rows, func(l *driver.Lock) string { return bytesSQL(l.Name) }) + ")"
}

// takeSQL gives holders to rows in which there is nothing. (The rows exist: what is said of
// their queues is not written.)
func (t *tables) takeSQL(rows []*driver.Lock) string {
	return "INSERT INTO " + t.lock + " (name, fence, holder_lease, holder_ticket, granted_at, queue) VALUES " +
		listSQL(rows, func(l *driver.Lock) string {
			return "(" + bytesSQL(l.Name) + "," + number(l.Fence) + "," + idSQL(l.Holder.Lease) + "," + idSQL(l.Holder.Ticket) +
				"," + number(l.Since.UnixMicro()) + ",'')"
		}) + " ON DUPLICATE KEY UPDATE fence = VALUES(fence), holder_lease = VALUES(holder_lease)" +
		", holder_ticket = VALUES(holder_ticket), granted_at = VALUES(granted_at)"
}

// makeSQL makes rows. It fails if somebody else has made one.
func (t *tables) makeSQL(rows []*driver.Lock) string {
	return "INSERT INTO " + t.lock + " (" + columns + ") VALUES " +
		listSQL(rows, func(l *driver.Lock) string { return "(" + strings.Join(values(l), ",") + ")" })
}

// makeGuardsSQL makes the guards' rows of new rows.
func (t *tables) makeGuardsSQL(rows []*driver.Lock) string {
	return "INSERT IGNORE INTO " + t.guard + " (name) VALUES " +
		listSQL(rows, func(l *driver.Lock) string { return "(" + bytesSQL(l.Name) + ")" })
}
