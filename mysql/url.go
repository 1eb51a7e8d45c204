package mysql

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
)

// parseSource reads a URL, mysql://USER:PASSWORD@HOST:PORT/DATABASE?PARAMETER=VALUE, or
// a data source name of the driver's. Errors hold no part of it: it has a password.
func parseSource(source string) (*mysql.Config, error) {
	scheme, _, isURL := strings.Cut(source, "://")
	if !isURL {
		cfg, err := mysql.ParseDSN(source)
		if err != nil {
			return nil, errors.New("not a URL that begins with mysql://, nor a data source name of the MySQL driver")
		}
		return cfg, nil
	}
	if scheme != "mysql" && scheme != "mariadb" {
		return nil, errors.New("a URL of another kind: want mysql://")
	}
	u, err := url.Parse(source)
	if err != nil {
		return nil, errors.New("the URL cannot be parsed")
	}
	query := u.Query()
	network, address := "tcp", net.JoinHostPort(cmp.Or(u.Hostname(), "localhost"), cmp.Or(u.Port(), "3306"))
	if socket := query.Get("socket"); socket != "" {
		network, address = "unix", socket
		query.Del("socket")
	}
	cfg, err := mysql.ParseDSN(fmt.Sprintf("%s(%s)/?%s", network, address, query.Encode()))
	if err != nil {
		return nil, errors.New("the URL has a parameter that the MySQL driver does not know")
	}
	cfg.User, cfg.DBName = u.User.Username(), strings.TrimPrefix(u.Path, "/")
	cfg.Passwd, _ = u.User.Password()
	return cfg, nil
}

// keepAlive makes the system probe a silent connection, so that those of vanished hosts
// end.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 3}

// prepare changes the driver's settings to what we need.
func prepare(cfg *mysql.Config) {
	cfg.MultiStatements = true
	cfg.Logger = &mysql.NopLogger{}
	cfg.WriteTimeout = cmp.Or(cfg.WriteTimeout, 5*time.Second)
	if cfg.DialFunc == nil {
		dialer := &net.Dialer{Timeout: cfg.Timeout, KeepAliveConfig: keepAlive}
		cfg.DialFunc = dialer.DialContext
	}
}
