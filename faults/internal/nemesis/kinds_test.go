package nemesis

import (
	"slices"
	"testing"
	"time"

	"github.com/leaseholdgo/leasehold/faults/internal/cluster"
)

func names(kinds []kind) []string {
	var names []string
	for _, k := range kinds {
		names = append(names, k.name)
	}
	return names
}

func TestOnlyWhatIsPossibleIsChosen(t *testing.T) {
	t.Parallel()
	outside := func(proxied bool) *cluster.Cluster {
		c, err := cluster.Outside("postgres://nobody@127.0.0.1:1/none?sslmode=disable", 2, proxied, 1)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	clients := []string{"stop", "stop-inside", "kill"}
	network := []string{"partition", "slow", "stall", "reset"}
	sessions := []string{"terminate", "cancel"}
	one := []string{"snapshot", "crash", "restart", "connections"}
	whole := []string{"snapshot", "clock", "crash", "restart", "connections", "disk"}
	for name, c := range map[string]struct {
		cfg  Config
		want []string
	}{
		"embedded":            {Config{}, clients},
		"outside":             {Config{Cluster: outside(false), Steps: time.Second, Disk: true}, slices.Concat(clients, sessions)},
		"outside, with a net": {Config{Cluster: outside(true)}, slices.Concat(clients, network, sessions)},
		"one server":          {Config{Cluster: new(cluster.Cluster)}, slices.Concat(clients, sessions, one)},
		"with clock and disk": {Config{Cluster: new(cluster.Cluster), Steps: time.Second, Disk: true}, slices.Concat(clients, sessions, whole)},
	} {
		c.cfg.Names = Names()
		if got := names(c.cfg.chosen()); !slices.Equal(got, c.want) {
			t.Errorf("%s: chosen are %v; want %v", name, got, c.want)
		}
	}
	some := Config{Names: []string{"failover", "kill"}}
	if got := names(some.chosen()); !slices.Equal(got, []string{"kill"}) {
		t.Errorf("of failover and kill, %v is possible in a file", got)
	}
}

func TestEveryKindHasItsOwnName(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, k := range kinds() {
		if seen[k.name] || k.weight < 1 || k.run == nil {
			t.Errorf("%q: seen %v, weight %d", k.name, seen[k.name], k.weight)
		}
		seen[k.name] = true
	}
}

func TestEmbeddedDatabasesHaveNoServer(t *testing.T) {
	t.Parallel()
	cfg := Config{Names: Names()}
	if got := names(cfg.ofClients()); !slices.Equal(got, []string{"stop", "stop-inside", "kill"}) || len(cfg.ofServer()) > 0 {
		t.Errorf("clients are harmed by %v, the server by %v", got, names(cfg.ofServer()))
	}
}
