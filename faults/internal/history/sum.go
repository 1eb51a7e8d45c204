package history

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Sum returns the SHA-256, in hexadecimal, over the files of the history in dir, in
// the order of their names, each preceded by a line of its name and its size.
func Sum(dir string) (string, error) {
	paths, err := files(dir)
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	for _, path := range paths {
		if err := addFile(sum, path); err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

func addFile(to io.Writer, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	fmt.Fprintf(to, "%s %d\n", filepath.Base(path), info.Size())
	_, err = io.Copy(to, f)
	return err
}
