//go:build !linux

package pgserver

import (
	"fmt"
	"os/exec"
	"strings"
)

// children returns the processes whose parent is pid.
func children(pid int) ([]int, error) {
	out, err := exec.Command("ps", "-A", "-o", "ppid=,pid=").Output()
	if err != nil {
		return nil, fmt.Errorf("ps: %w", err)
	}
	var pids []int
	for line := range strings.Lines(string(out)) {
		var parent, child int
		if n, _ := fmt.Sscan(line, &parent, &child); n == 2 && parent == pid {
			pids = append(pids, child)
		}
	}
	return pids, nil
}
