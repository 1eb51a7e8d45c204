//go:build !mutation

package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "mutations: this build has none: go run -tags mutation ./faults/mutations")
	os.Exit(64)
}
