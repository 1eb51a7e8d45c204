package main

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/mod/module"
	"golang.org/x/mod/zip"
)

// serve adds the module in a directory to the proxy, in the layout of the GOPROXY protocol.
func serve(proxy string, m module.Version, dir string) error {
	escaped, err := module.EscapePath(m.Path)
	if err != nil {
		return err
	}
	at := filepath.Join(proxy, filepath.FromSlash(escaped), "@v")
	if err := os.MkdirAll(at, 0o755); err != nil {
		return err
	}
	info, err := json.Marshal(map[string]any{"Version": m.Version, "Time": time.Now().UTC()})
	if err != nil {
		return err
	}
	mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(filepath.Join(at, "list"), []byte(m.Version+"\n"), 0o644),
		os.WriteFile(filepath.Join(at, m.Version+".info"), info, 0o644),
		os.WriteFile(filepath.Join(at, m.Version+".mod"), mod, 0o644),
		pack(filepath.Join(at, m.Version+".zip"), m, dir),
	)
}

// pack writes the module's zip. Modules in directories below are not in it.
func pack(file string, m module.Version, dir string) error {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	return errors.Join(zip.CreateFromDir(f, m, dir), f.Close())
}
