package main

import "os"

func main() {
	if status, ok := otherRole(os.Args); ok {
		os.Exit(status)
	}
	os.Exit(execute(os.Args[1:]))
}
