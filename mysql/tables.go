package mysql

// tables are the names of the tables, as they stand in statements, and the texts of
// statements that are prepared.
type tables struct {
	meta, lease, lock, guard, flush string

	grantSQL, passSQL string
}

func newTables(cfg Config) tables {
	t := tables{
		meta:  cfg.render("leasehold_meta"),
		lease: cfg.render("leasehold_lease"),
		lock:  cfg.render("leasehold_lock"),
		guard: cfg.render("leasehold_guard"),
		flush: cfg.render("leasehold_flush"),
	}
	t.setShort()
	return t
}

// flushSQL makes a commit that is not empty, so that it waits for the log to be flushed,
// and so for all that was committed before. InnoDB shows what was committed before it is
// on the disk.
func (t tables) flushSQL() string { return "UPDATE " + t.flush + " SET n = n + 1 WHERE one = 1" }
