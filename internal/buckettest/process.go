package buckettest

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// process is a server that a test started.
type process struct {
	cmd    *exec.Cmd
	exited chan struct{}
	dirs   []string
	log    *os.File
}

func (p *process) tempDir() (string, error) {
	dir, err := os.MkdirTemp("", "buckettest-*")
	if err == nil {
		p.dirs = append(p.dirs, dir)
	}
	return dir, err
}

// serve runs the command that command makes for a free port, and returns host:port once something accepts connections
// there. Another program may take the port in between, so it tries three times.
func (p *process) serve(command func(host, port string) []string) (addr string, err error) {
	dir, err := p.tempDir()
	if err != nil {
		return "", err
	}
	if p.log, err = os.Create(filepath.Join(dir, "log")); err != nil {
		return "", err
	}
	for range 3 {
		if addr, err = freeAddr(); err != nil {
			return "", err
		}
		host, port, err := net.SplitHostPort(addr)
		if err != nil {
			return "", err
		}
		args := command(host, port)
		p.cmd = exec.Command(args[0], args[1:]...)
		p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = dir, p.log, p.log
		endWithParent(p.cmd)
		if err := p.cmd.Start(); err != nil {
			return "", err
		}
		exited := make(chan struct{})
		p.exited = exited
		go func() { _ = p.cmd.Wait(); close(exited) }()
		if p.answers(addr) {
			return addr, nil
		}
		p.kill()
	}
	return "", fmt.Errorf("%s does not listen", p.cmd)
}

func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// answers waits at most a minute for the server to accept a connection.
func (p *process) answers(addr string) bool {
	deadline := time.NewTimer(time.Minute)
	defer deadline.Stop()
	for try := time.NewTicker(20 * time.Millisecond); ; {
		if c, err := net.Dial("tcp", addr); err == nil {
			c.Close()
			return true
		}
		select {
		case <-try.C:
		case <-p.exited:
			return false
		case <-deadline.C:
			return false
		}
	}
}

func (p *process) kill() {
	if p.exited != nil {
		_ = p.cmd.Process.Kill()
		<-p.exited
	}
}

// stop ends the server, removes its files and returns what it printed.
func (p *process) stop() string {
	p.kill()
	var printed []byte
	if p.log != nil {
		printed, _ = os.ReadFile(p.log.Name())
		_ = p.log.Close()
	}
	for _, dir := range p.dirs {
		_ = os.RemoveAll(dir)
	}
	if len(printed) == 0 {
		return ""
	}
	return "\n" + string(printed)
}
