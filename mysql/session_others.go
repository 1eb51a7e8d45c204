package mysql

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/keyed"
)

// users returns the connections that have the locks; 0: none has.
func (s *session) users(ctx context.Context, keys []string) ([]int64, error) {
	if len(keys) == 0 {
		return nil, nil
	}
	var reply string
	text := "SELECT CONCAT_WS(',', " + listSQL(keys, func(key string) string { return "IFNULL(IS_USED_LOCK('" + key + "'), 0)" }) + ")"
	if err := s.run(ctx, statement{text, row(&reply)}); err != nil {
		return nil, err
	}
	ids := make([]int64, len(keys))
	for i, text := range strings.Split(reply, ",") {
		ids[i], _ = strconv.ParseInt(text, 10, 64) // the server wrote it
	}
	return ids, nil
}

// Others implements keyed.Session.
func (h *named) Others(ctx context.Context, keys []string) (found []keyed.Other, err error) {
	err = h.beside(ctx, func(ctx context.Context, s *session) error {
		users, err := s.users(ctx, keys)
		if err != nil {
			return err
		}
		known, err := s.clients(ctx, users)
		for i, id := range users {
			if id != 0 && id != h.id {
				found = append(found, keyed.Other{Key: keys[i], State: described(id, known[id])})
			}
		}
		return err
	})
	return found, err
}

// clientInfo is what the server tells about a connection to those who may know.
type clientInfo struct {
	user, host string
	idle       int64 // seconds
}

// clients looks who is behind the connections.
func (s *session) clients(ctx context.Context, ids []int64) (map[int64]clientInfo, error) {
	known := map[int64]clientInfo{}
	text := "SELECT ID, USER, HOST, TIME FROM information_schema.PROCESSLIST WHERE ID IN (0, " + listSQL(ids, number[int64]) + ")"
	return known, s.run(ctx, statement{text, func(rows *sql.Rows) error {
		var id int64
		var c clientInfo
		err := rows.Scan(&id, &c.user, &c.host, &c.idle)
		known[id] = c
		return err
	}})
}

func described(id int64, c clientInfo) driver.LeaseState {
	state := keyed.Someone()
	state.Owner = strings.TrimSpace(fmt.Sprintf("%s (connection %d)", c.user, id))
	state.Info = driver.Info{Host: c.host}
	state.Age = time.Duration(c.idle) * time.Second
	return state
}
