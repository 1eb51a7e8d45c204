package fleet

import "syscall"

// attributes make a process die with its parent, also while it is stopped, and
// leave a Ctrl-C on the terminal to the parent. See PR_SET_PDEATHSIG(2const).
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
