package main

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/leaseholdgo/leasehold"
)

// secretVariables are taken from the command's environment.
var secretVariables = []string{"PGPASSWORD", "PGSSLPASSWORD", "MYSQL_PWD"}

// commandEnv returns the environment of the command: ours, with what it may want
// to know of the locks and without the database's password. $LEASEHOLD_DB itself
// stays, so that a nested "leasehold" does not fall back to another database.
func commandEnv(env []string, j job, locks []*leasehold.Lock) []string {
	lock := locks[0]
	var names, fences []string
	for _, l := range locks {
		names, fences = append(names, l.Name()), append(fences, strconv.FormatUint(l.Fence(), 10))
	}
	ours := []string{
		"LEASEHOLD_NAME=" + lock.Name(),
		"LEASEHOLD_FENCE=" + strconv.FormatUint(lock.Fence(), 10),
		"LEASEHOLD_OWNER=" + lock.Owner(),
		// Also if there is but one, so that no nested run sees those of the run around it.
		"LEASEHOLD_NAMES=" + strings.Join(names, "\n"),
		"LEASEHOLD_FENCES=" + strings.Join(fences, "\n"),
	}
	if j.Elect {
		ours = append(ours, "LEASEHOLD_TERM="+strconv.FormatUint(lock.Fence(), 10))
	}
	var out []string
	for _, entry := range env {
		name, value, _ := strings.Cut(entry, "=")
		overridden := slices.ContainsFunc(ours, func(o string) bool { return strings.HasPrefix(o, name+"=") })
		switch {
		case overridden, slices.Contains(secretVariables, name):
		case name == databaseVariable:
			out = append(out, name+"="+withoutPassword(value))
		default:
			out = append(out, entry)
		}
	}
	return append(out, ours...)
}

// unusableDatabase replaces a URL that cannot be parsed, so that it cannot be
// known where the password is. It is refused like the URL itself would be.
const unusableDatabase = "unusable:removed"

// serverSchemes are those of URLs in which a password has a place of its own.
var serverSchemes = []string{"postgres", "postgresql", "mysql", "mariadb"}

// secretSettings are the parameters of a PostgreSQL URL that are passwords.
var secretSettings = []string{"password", "sslpassword"}

// withoutPassword returns a database URL without the passwords in it.
func withoutPassword(raw string) string {
	if raw == "" || strings.HasPrefix(raw, "sqlite:") {
		return raw
	}
	u, err := url.Parse(raw)
	if err != nil || !slices.Contains(serverSchemes, u.Scheme) || u.Opaque != "" {
		return unusableDatabase
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return unusableDatabase
	}
	_, secret := u.User.Password()
	for _, name := range secretSettings {
		secret = secret || query.Has(name)
		query.Del(name)
	}
	if !secret {
		return raw
	}
	if u.User != nil {
		u.User = url.User(u.User.Username())
	}
	u.RawQuery = query.Encode()
	return u.String()
}
