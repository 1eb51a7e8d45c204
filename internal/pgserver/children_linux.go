package pgserver

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// children returns the processes whose parent is pid. It reads /proc itself: a
// small Debian has no ps.
func children(pid int) ([]int, error) {
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, file := range files {
		stat, err := os.ReadFile(file)
		if err != nil {
			continue // it has exited
		}
		child, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if parentOf(stat) == pid {
			pids = append(pids, child)
		}
	}
	return pids, nil
}

// parentOf returns the fourth field of a stat file. The second, the name of the
// program in parentheses, may hold anything.
func parentOf(stat []byte) int {
	var state string
	var parent int
	_, _ = fmt.Sscan(string(stat[bytes.LastIndexByte(stat, ')')+1:]), &state, &parent)
	return parent
}
