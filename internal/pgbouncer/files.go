package pgbouncer

import (
	"cmp"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/leaseholdgo/leasehold/internal/private"
)

// writeFiles writes the pooler's configuration and its list of users, for its owner
// alone: both may hold the password.
func (p *Pooler) writeFiles(server *url.URL, own *private.Owner) error {
	users := filepath.Join(p.dir, "users")
	settings := map[string]string{
		"listen_addr":               "127.0.0.1",
		"listen_port":               strconv.Itoa(p.port),
		"unix_socket_dir":           "",
		"auth_type":                 "scram-sha-256",
		"auth_file":                 users,
		"pool_mode":                 string(p.cfg.Mode),
		"default_pool_size":         strconv.Itoa(cmp.Or(p.cfg.Size, 20)),
		"ignore_startup_parameters": "extra_float_digits",
	}
	maps.Copy(settings, p.cfg.Settings)
	var ini strings.Builder
	fmt.Fprintf(&ini, "[databases]\n* = host=%s port=%s\n[pgbouncer]\n", server.Hostname(), server.Port())
	for _, key := range slices.Sorted(maps.Keys(settings)) {
		fmt.Fprintf(&ini, "%s = %s\n", key, settings[key])
	}
	password, _ := server.User.Password()
	paths := []string{p.dir}
	for path, text := range map[string]string{
		filepath.Join(p.dir, "pgbouncer.ini"): ini.String(),
		users:                                 quote(server.User.Username()) + " " + quote(password) + "\n",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return err
		}
		paths = append(paths, path)
	}
	return own.Take(paths...)
}

// quote writes a word of the list of users.
func quote(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }
