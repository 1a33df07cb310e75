package buckettest

import (
	"os/exec"
	"syscall"
)

// endWithParent keeps a test that is killed from leaving its servers behind.
func endWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
