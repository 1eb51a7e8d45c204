package main

import (
	"os"
	"os/user"
	"strings"
	"unicode"
)

// maxLabel is the greatest length of an owner or program name in bytes.
const maxLabel = 255

// printable makes any string fit for a label of the library.
func printable(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, strings.ToValidUTF8(s, "?"))
	for len(s) > maxLabel {
		runes := []rune(s)
		s = string(runes[:len(runes)-1])
	}
	return s
}

// oneLine makes text fit on one line of a terminal or log, without what could
// control the terminal.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return ' '
		}
		if unicode.IsControl(r) {
			return '?'
		}
		return r
	}, text)
}

// defaultOwner is the name of the user. The host is known besides.
func defaultOwner() string {
	if u, err := user.Current(); err == nil && u.Username != "" {
		return printable(u.Username)
	}
	if name := os.Getenv("USER"); name != "" {
		return printable(name)
	}
	return "leasehold"
}
