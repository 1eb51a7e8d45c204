package mysql

import (
	"flag"
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "6"); err != nil { // they wait more than they work
		panic(err)
	}
	status := m.Run()
	if err := dropEmptied(os.Getenv(serverEnv)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		status = 1
	}
	// Nothing that a Conn starts outlives its Close.
	if err := goleak.Find(); err != nil && status == 0 {
		fmt.Fprintln(os.Stderr, err)
		status = 1
	}
	os.Exit(status)
}
