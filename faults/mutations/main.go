//go:build mutation

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/leaseholdgo/leasehold/internal/mutation"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var err error
	switch {
	case len(os.Args) == 5 && os.Args[1] == "act":
		err = act(ctx, mutation.Name(os.Args[2]), os.Getenv(address), os.Args[3], os.Args[4], os.Stdout)
	case len(os.Args) == 1:
		err = runAll(ctx, os.Stdout)
	default:
		err = errors.New("it takes no arguments")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutations:", err)
		os.Exit(1)
	}
}
