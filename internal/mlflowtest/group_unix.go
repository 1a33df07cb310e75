//go:build unix

package mlflowtest

import (
	"os/exec"
	"syscall"
)

// ownGroup makes the command the leader of a group of processes; also, an interrupt is not for it.
func ownGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }
