package crashtest

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// patience is how long a child may take for what it does in milliseconds, before it counts as hung: a disk that others keep
// busy can hold a flush up for a minute.
const patience = 5 * time.Minute

// child is a process that runs a load.
type child struct {
	cmd    *exec.Cmd
	stdin  io.Closer
	stderr strings.Builder
	lines  chan message // closed when the child's end of the pipe is
	said   []message
}

func start(t *testing.T, l load) *child {
	config, err := json.Marshal(l)
	require.NoError(t, err)
	program, err := os.Executable()
	require.NoError(t, err)
	c := &child{cmd: exec.Command(program), lines: make(chan message, 1024)}
	c.cmd.Env = append(os.Environ(), loadVariable+"="+string(config))
	c.cmd.Stderr = &c.stderr
	stdout, err := c.cmd.StdoutPipe()
	require.NoError(t, err)
	c.stdin, err = c.cmd.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, c.cmd.Start())
	t.Cleanup(func() { _ = c.cmd.Process.Kill() }) // where a check in between failed
	go func() {
		defer close(c.lines)
		scan := bufio.NewScanner(stdout)
		for scan.Scan() {
			var m message
			if json.Unmarshal(scan.Bytes(), &m) == nil { // else it is no message, but output of the runtime
				c.lines <- m
			}
		}
	}()
	return c
}

// listen reads what the child says until enough says so or the moment has come. It returns false if the child has ended.
func (c *child) listen(moment time.Duration, enough func(message) bool) bool {
	after := time.NewTimer(moment)
	defer after.Stop()
	for {
		select {
		case m, ok := <-c.lines:
			if !ok {
				return false
			}
			c.said = append(c.said, m)
			if enough(m) {
				return true
			}
		case <-after.C:
			return true
		}
	}
}

// await is listen without a moment.
func (c *child) await(t *testing.T, enough func(message) bool) {
	reached := false
	alive := c.listen(patience, func(m message) bool { reached = enough(m); return reached })
	if !reached {
		_ = c.cmd.Process.Kill()
		require.Fail(t, "the child hangs or has failed", "alive: %v\n%s", alive, c.end())
	}
}

// end waits until the child has ended and returns what it printed about errors.
func (c *child) end() string {
	for m := range c.lines {
		c.said = append(c.said, m)
	}
	err := c.cmd.Wait()
	_ = c.stdin.Close()
	return fmt.Sprintf("%v\n%s", err, c.stderr.String())
}

// kill ends the child at once and returns what it printed about errors.
func (c *child) kill() string {
	_ = c.cmd.Process.Kill()
	return c.end()
}

func isReady(m message) bool { return m.Ready }
func isIdle(m message) bool  { return m.Idle }
