package main

import (
	"fmt"
	"os"
	"os/exec"
	"slices"

	"golang.org/x/mod/modfile"
)

// export writes what is committed.
func export(src, tree string) error {
	if err := os.MkdirAll(tree, 0o755); err != nil {
		return err
	}
	archive := exec.Command("git", "-C", src, "archive", "--format=tar", "HEAD")
	unpack := exec.Command("tar", "-x", "-C", tree)
	archive.Stderr, unpack.Stderr = os.Stderr, os.Stderr
	var err error
	if unpack.Stdin, err = archive.StdoutPipe(); err != nil {
		return err
	}
	if err := unpack.Start(); err != nil {
		return err
	}
	if err := archive.Run(); err != nil {
		return fmt.Errorf("git archive: %w", err)
	}
	return unpack.Wait()
}

// require makes a go.mod require our modules in the version, and replace none.
func require(file, version string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	mod, err := modfile.Parse(file, text, nil)
	if err != nil {
		return err
	}
	for _, r := range slices.Clone(mod.Replace) {
		if err := mod.DropReplace(r.Old.Path, r.Old.Version); err != nil {
			return err
		}
	}
	for _, dir := range published {
		if slices.ContainsFunc(mod.Require, func(r *modfile.Require) bool { return r.Mod.Path == path(dir) }) {
			if err := mod.AddRequire(path(dir), version); err != nil {
				return err
			}
		}
	}
	mod.Cleanup()
	if text, err = mod.Format(); err != nil {
		return err
	}
	return os.WriteFile(file, text, 0o644)
}
