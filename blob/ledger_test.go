package blob

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// ledger is a disk that knows what a power loss would leave, counts calls, and fails them as it is told.
type ledger struct {
	osDisk
	together bool // offers syncAll

	mu      sync.Mutex
	calls   map[string]int
	fail    func(call string, nth int) error // may be nil
	content map[string]bool                  // files whose bytes are durable
	entries map[string]bool                  // paths whose entry in their folder is durable
}

type ledgerFile struct {
	diskFile
	path string
	l    *ledger
}

func newLedger(together bool) *ledger {
	return &ledger{together: together, calls: map[string]int{}, content: map[string]bool{}, entries: map[string]bool{}}
}

func (l *ledger) call(what string) error {
	l.mu.Lock()
	l.calls[what]++
	nth, fail := l.calls[what], l.fail
	l.mu.Unlock()
	if fail == nil {
		return nil
	}
	return fail(what, nth)
}

func (l *ledger) count(what string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.calls[what]
}

func (l *ledger) create(path string) (diskFile, error) {
	if err := l.call("create"); err != nil {
		return nil, err
	}
	f, err := l.osDisk.create(path)
	return ledgerFile{f, path, l}, err
}

func (f ledgerFile) Write(p []byte) (int, error) {
	if err := f.l.call("write"); err != nil {
		n, _ := f.diskFile.Write(p[:len(p)/2]) // as a full disk does
		return n, err
	}
	return f.diskFile.Write(p)
}

func (f ledgerFile) sync() error {
	if err := f.l.call("sync"); err != nil {
		return err
	}
	f.l.mu.Lock()
	defer f.l.mu.Unlock()
	f.l.content[f.path] = true
	return nil
}

func (f ledgerFile) Close() error {
	if err := f.l.call("close"); err != nil {
		f.diskFile.Close()
		return err
	}
	return f.diskFile.Close()
}

func (l *ledger) rename(from, to string) error {
	if err := l.call("rename"); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.content[to] = l.content[from]
	return l.osDisk.rename(from, to)
}

func (l *ledger) mkdir(path string) error {
	if err := l.call("mkdir"); err != nil {
		return err
	}
	return l.osDisk.mkdir(path)
}

func (l *ledger) syncDir(path string) error {
	if err := l.call("syncDir"); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	list, err := os.ReadDir(path)
	for _, e := range list {
		l.entries[filepath.Join(path, e.Name())] = true
	}
	return err
}

func (l *ledger) syncsAll(string) bool { return l.together }

func (l *ledger) syncAll(folder string) (bool, error) {
	if err := l.call("syncAll"); err != nil {
		return true, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	base := filepath.Dir(folder)
	return true, filepath.WalkDir(base, func(path string, e os.DirEntry, err error) error {
		if err == nil {
			l.entries[path] = true
			l.content[path] = true
		}
		return nil
	})
}

// lost says what a power loss would take of a file below root, if anything.
func (l *ledger) lost(root, path string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.content[path] {
		return "the bytes of " + path
	}
	for ; path != root && strings.HasPrefix(path, root); path = filepath.Dir(path) {
		if !l.entries[path] {
			return "the entry of " + path
		}
	}
	return ""
}
