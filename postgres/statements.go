package postgres

import (
	"embed"
	"strings"
)

//go:embed sql/*.sql
var sqlFiles embed.FS

// timelineSQL is the part of a statement that reads the server's timeline. Where
// the server does not let us, blind replaces it by the value on record.
const timelineSQL = `left(pg_walfile_name(pg_current_wal_insert_lsn()), 8)`

// statements are the texts of sql/*.sql, rendered for one Config.
type statements struct {
	createLease, renewLease, endLease string
	grant, queue, acquire             string
	leave, pass, release, notify      string
	batchGrant, batchInsert           string
	batchPass, batchCancel            string
	takeOver, revoke                  string
	lockRow, freeRow                  string
	writeRow, makeRow, raiseNotice    string
	readNames, readPage, readLease    string
	readMeta                          string
	recordEpoch, newEpoch, endGrace   string
	guardRow, guardLease              string
	takeSeat, haveSeat, leaveSeat     string
	look                              string
}

func newStatements(cfg Config) *statements {
	read := func(name string) string {
		text, err := sqlFiles.ReadFile("sql/" + name + ".sql")
		if err != nil {
			panic("leasehold: embedded statement missing: " + name) // a build without its files
		}
		return cfg.render(mutated(name, stripComments(string(text))))
	}
	rows := read("read_rows") // what each reading returns of the rows it chose
	return &statements{
		createLease: read("create_lease"),
		renewLease:  read("renew_lease"),
		endLease:    read("end_lease"),
		grant:       read("grant"),
		queue:       read("queue"),
		acquire:     read("acquire"),
		notify:      read("notify"),
		batchGrant:  read("batch_grant"),
		batchInsert: read("batch_insert"),
		batchPass:   read("batch_pass"),
		batchCancel: read("batch_cancel"),
		leave:       read("leave"),
		pass:        read("pass"),
		release:     read("release"),
		takeOver:    read("take_over"),
		lockRow:     read("lock_row"),
		freeRow:     read("free_row"),
		writeRow:    read("write_row"),
		makeRow:     read("make_row"),
		raiseNotice: read("raise_notice"),
		revoke:      read("revoke"),
		readNames:   read("read_names") + rows,
		readPage:    read("read_page") + rows,
		readLease:   read("read_lease") + rows,
		readMeta:    read("read_meta"),
		recordEpoch: read("record_epoch"),
		newEpoch:    read("new_epoch"),
		endGrace:    read("end_grace"),
		guardRow:    read("guard_row"),
		guardLease:  read("guard_lease"),
		takeSeat:    read("take_seat"),
		haveSeat:    read("have_seat"),
		leaveSeat:   read("leave_seat"),
		look:        read("look"),
	}
}

// blind returns the statements for a server whose timeline cannot be read: they
// find it the same always.
func (s *statements) blind() *statements {
	b := *s
	for _, text := range []*string{
		&b.createLease, &b.renewLease, &b.acquire, &b.release, &b.lockRow, &b.takeOver,
		&b.readMeta, &b.recordEpoch, &b.newEpoch, &b.endGrace,
	} {
		*text = strings.ReplaceAll(*text, timelineSQL, "e.timeline")
	}
	return &b
}

// stripComments drops the lines that are comments, so that they are not sent.
func stripComments(text string) string {
	var kept strings.Builder
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(strings.TrimSpace(line), "--") {
			kept.WriteString(line)
		}
	}
	return kept.String()
}
