//go:build !linux

package buckettest

import "os/exec"

func endWithParent(*exec.Cmd) {}
