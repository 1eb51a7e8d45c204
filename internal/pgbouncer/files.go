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
)

// writeFiles writes the pooler's configuration and its list of users, for its owner
// alone: both may hold the password.
func (p *Pooler) writeFiles(server *url.URL) error {
	users := filepath.Join(p.process.Dir, "users")
	settings := map[string]string{
		"listen_addr":               "127.0.0.1",
		"listen_port":               strconv.Itoa(p.port),
		"unix_socket_dir":           "",
		"pidfile":                   filepath.Join(p.process.Dir, "pid"),
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
	paths := []string{p.process.Dir}
	for path, text := range map[string]string{
		p.configFile(): ini.String(),
		users:          quote(server.User.Username()) + " " + quote(password) + "\n",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return err
		}
		paths = append(paths, path)
	}
	return p.process.Owner.Take(paths...)
}

func (p *Pooler) configFile() string { return filepath.Join(p.process.Dir, "pgbouncer.ini") }

// quote writes a word of the list of users.
func quote(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }
