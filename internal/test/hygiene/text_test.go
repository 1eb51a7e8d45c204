package hygiene_test

import (
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestForbiddenText finds what belongs to one machine or to unfinished work. The
// patterns are written so that they do not match themselves.
func TestForbiddenText(t *testing.T) {
	t.Parallel()
	forbidden := map[string]string{
		`\b(TO` + `DO|FIX` + `ME|XX` + `X)\b`:                    "unfinished work",
		`(?i)\bnot (yet )?imple` + `mented\b|unimple` + `mented`: "unfinished work",
		`(^|[^\w.])/(home|Users)/\w+/`:                           "a path of one machine",
		`(?i)\b(the|this) (issue|brief)\b`:                       "a word about how it was made",
		`\bregistry\.[a-z0-9-]+\.[a-z]`:                          "a host of one machine",
	}
	for _, path := range machinePaths() {
		forbidden[`(^|[^\w./])`+regexp.QuoteMeta(path)+`\b`] = "a path of this machine"
	}
	for _, host := range proxyHosts(t) {
		forbidden[`(?i)\b`+regexp.QuoteMeta(host)+`\b`] = "a host of this machine's set-up"
	}
	for pattern, reason := range forbidden {
		re := regexp.MustCompile(`(?m)` + pattern)
		for _, file := range textFiles(t) {
			if found := re.FindString(read(t, file)); found != "" {
				t.Errorf("%s: %q: %s", file, found, reason)
			}
		}
	}
}

// textFiles leaves out what we did not write.
func textFiles(t *testing.T) []string {
	all := files(t, "")
	return slices.DeleteFunc(all, func(file string) bool {
		return filepath.Base(file) == "LICENSE" || strings.HasSuffix(file, ".sum") || strings.Contains(file, "testdata/")
	})
}

// machinePaths returns where this checkout lies, unless that is a name that
// anybody may write.
func machinePaths() []string {
	paths := []string{root()}
	if parent := filepath.Dir(root()); strings.Count(parent, "/") > 1 {
		paths = append(paths, parent)
	}
	return paths
}

// proxyHosts returns the hosts that this machine gets packages from, without
// those that everybody does.
func proxyHosts(t *testing.T) []string {
	public := []string{"", "proxy.golang.org", "sum.golang.org", "localhost", "127.0.0.1"}
	sources := strings.FieldsFunc(run(t, "go", "env", "GOPROXY"), func(r rune) bool { return strings.ContainsRune(",|\n", r) })
	for _, variable := range []string{"HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "PIP_INDEX_URL", "NPM_CONFIG_REGISTRY"} {
		sources = append(sources, os.Getenv(variable))
	}
	var hosts []string
	for _, source := range sources {
		if u, err := url.Parse(source); err == nil && !slices.Contains(public, u.Hostname()) {
			hosts = append(hosts, u.Hostname())
		}
	}
	return hosts
}
