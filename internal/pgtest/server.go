package pgtest

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"
)

// start makes a cluster in a temporary directory and starts its server. The server ends, and the directory goes, when
// this process does, however it ends.
func start() (*Cluster, error) {
	bin, err := binaries()
	if err != nil {
		return nil, err
	}
	owner, err := credential()
	if err != nil {
		return nil, err
	}
	dir, err := directory(owner)
	if err != nil {
		return nil, err
	}
	data := filepath.Join(dir, "data")
	initdb := exec.Command(filepath.Join(bin, "initdb"), "--pgdata", data, "--username", "postgres", "--auth", "trust",
		"--encoding", "UTF8", "--no-locale", "--no-sync")
	initdb.Dir, initdb.SysProcAttr = dir, &syscall.SysProcAttr{Credential: owner}
	if out, err := initdb.CombinedOutput(); err != nil {
		return nil, errors.Join(fmt.Errorf("initdb: %w\n%s", err, out), os.RemoveAll(dir))
	}
	for range 5 { // somebody else may take the port before the server does
		c, err := serve(bin, dir, data, owner)
		if err == nil || !errors.Is(err, errPort) {
			return c, err
		}
	}
	return nil, errors.Join(errPort, os.RemoveAll(dir))
}

// supervisor runs the server until its own input ends, which is when this process does; then it stops the server, by
// its id, and removes the directory. A signal's name in its input stops the server so, and starts it again.
const supervisor = `dir=$0; "$@" & pid=$!
while read -r signal; do kill "-$signal" $pid; wait $pid; "$@" & pid=$!; done
kill -INT $pid; wait $pid; rm -rf "$dir"`

var errPort = errors.New("no free port")

func serve(bin, dir, data string, owner *syscall.Credential) (*Cluster, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	port := listener.Addr().(*net.TCPAddr).Port
	if err := listener.Close(); err != nil {
		return nil, err
	}
	logPath := filepath.Join(dir, "log")
	log, err := os.Create(logPath)
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }() // the server has its own
	cmd := exec.Command("/bin/sh", "-c", supervisor, dir, filepath.Join(bin, "postgres"), "-D", data,
		"-p", strconv.Itoa(port), "-k", dir, "-c", "listen_addresses=127.0.0.1", "-c", "max_connections=400", "-c", "fsync="+fsync())
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: owner, Setpgid: true} // an interrupt is not for the server
	input, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	dsn := fmt.Sprintf("postgres://postgres@127.0.0.1:%d/postgres?sslmode=disable", port)
	if err := await(dsn); err != nil {
		text, _ := os.ReadFile(logPath) // it only explains
		_ = input.Close()
		_ = cmd.Wait()
		if bytes.Contains(text, []byte("Address already in use")) {
			return nil, errPort
		}
		return nil, fmt.Errorf("the server does not answer: %w\n%s", err, text)
	}
	return &Cluster{dsn: dsn, input: input, ended: cmd.Wait}, nil
}

// await waits until the server answers.
// fsync says whether the server waits for the disk. No test pulls the plug of the machine under it, and a server that is
// killed loses nothing that the system holds; so only benchmarks ask it to.
func fsync() string {
	if os.Getenv(EnvFsync) != "" {
		return "on"
	}
	return "off"
}

func await(dsn string) error {
	db, err := sql.Open("postgres", dsn)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }() // nothing was written
	deadline := time.Now().Add(30 * time.Second)
	for {
		if err = db.Ping(); err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return err
		}
		<-time.After(20 * time.Millisecond)
	}
}

// binaries finds the directory with initdb and postgres. Those of a distribution are looked at first: what is on the
// PATH may be a link without the files that belong to it.
func binaries() (string, error) {
	dirs, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	if err != nil {
		return "", err
	}
	slices.SortFunc(dirs, func(a, b string) int { return version(b) - version(a) })
	dirs = append(dirs, "/usr/pgsql/bin", "/opt/homebrew/bin", "/usr/local/pgsql/bin")
	if out, err := exec.Command("pg_config", "--bindir").Output(); err == nil {
		dirs = append(dirs, string(bytes.TrimSpace(out)))
	}
	if path, err := exec.LookPath("initdb"); err == nil {
		if path, err = filepath.EvalSymlinks(path); err == nil {
			dirs = append(dirs, filepath.Dir(path))
		}
	}
	for _, dir := range dirs {
		if executable(filepath.Join(dir, "initdb")) && executable(filepath.Join(dir, "postgres")) {
			return dir, nil
		}
	}
	return "", fmt.Errorf("no PostgreSQL found: install it (Debian and Ubuntu: apt-get install postgresql; "+
		"Fedora: dnf install postgresql-server; macOS: brew install postgresql), or set %s to a server's URL", Env)
}

// version is the number in /usr/lib/postgresql/15/bin.
func version(dir string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(dir))) // 0 sorts last
	return n
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

// credential is the user to run the server as; nil is this one. PostgreSQL refuses to run as root.
func credential() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.ParseUint(u.Uid, 10, 32)
		if err != nil {
			return nil, err
		}
		gid, err := strconv.ParseUint(u.Gid, 10, 32)
		if err != nil {
			return nil, err
		}
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
	}
	return nil, errors.New("PostgreSQL does not run as root, and there is no user postgres or nobody to run it as")
}

// directory makes a temporary directory that owner can enter.
func directory(owner *syscall.Credential) (string, error) {
	parents := []string{os.TempDir(), "/tmp", "/var/tmp"}
	if owner != nil {
		parents = slices.DeleteFunc(parents, func(dir string) bool { return !open(dir) })
	}
	for _, parent := range parents {
		dir, err := os.MkdirTemp(parent, "pgtest-")
		if err != nil {
			continue
		}
		if owner == nil {
			return dir, nil
		}
		if err := os.Chown(dir, int(owner.Uid), int(owner.Gid)); err != nil {
			return "", errors.Join(err, os.RemoveAll(dir))
		}
		return dir, nil
	}
	return "", errors.New("no temporary directory that the server's user can enter")
}

// open says that everybody can enter dir.
func open(dir string) bool {
	for {
		info, err := os.Stat(dir)
		if err != nil || info.Mode()&0o001 == 0 {
			return false
		}
		if dir == filepath.Dir(dir) {
			return true
		}
		dir = filepath.Dir(dir)
	}
}
