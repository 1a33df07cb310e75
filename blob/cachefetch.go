package blob

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/modelregistry-go/modelregistry"
)

// partPrefix begins the names of files that are being fetched.
const partPrefix = "part-"

var errNoRoom = errors.New("no room in the cache")

// flight is one transfer that several callers wait for. It goes on as long as one of them does.
type flight struct {
	waiting int
	cancel  context.CancelFunc
	done    chan struct{}
	err     error // set before done is closed
}

// fetch returns when the content is kept.
func (c *Cache) fetch(ctx context.Context, n name) error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return fmt.Errorf("blob open %s: the cache was closed: %w", n.digest(), fs.ErrClosed)
	}
	f := c.flights[n]
	if f == nil {
		// Values of the first caller's context, such as a trace, go along; its end does not.
		fctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
		f = &flight{cancel: cancel, done: make(chan struct{})}
		c.flights[n] = f
		c.ending.Go(func() {
			defer cancel()
			f.err = c.transfer(fctx, n)
			c.mu.Lock()
			if c.flights[n] == f {
				delete(c.flights, n)
			}
			c.mu.Unlock()
			close(f.done)
		})
	}
	f.waiting++
	c.mu.Unlock()

	select {
	case <-f.done:
		return f.err
	case <-ctx.Done():
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if f.waiting--; f.waiting == 0 {
		f.cancel()
		// A caller that comes now begins anew instead of sharing the end of this one.
		if c.flights[n] == f {
			delete(c.flights, n)
		}
	}
	return fmt.Errorf("blob open %s: fetch into the cache: %w", n.digest(), ctx.Err())
}

// transfer copies content from the origin into the directory, checks it and gives it its name.
func (c *Cache) transfer(ctx context.Context, n name) (err error) {
	size, err := c.origin.Stat(ctx, n.digest())
	if err != nil {
		return err
	}
	if size > c.limit {
		return errNoRoom
	}
	if err := c.makeRoom(size); err != nil {
		return fmt.Errorf("fetch %s into the cache: make room: %w", n.digest(), err)
	}
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.reserved -= size
		if err == nil {
			c.kept += size
			c.unseen += size
			c.known[n] = true
		}
	}()
	r, err := c.origin.Open(ctx, n.digest())
	if err != nil {
		return err
	}
	defer r.Close()
	part, err := os.CreateTemp(c.dir, partPrefix+"*")
	if err != nil {
		return fmt.Errorf("fetch %s into the cache: %w", n.digest(), err)
	}
	defer func() {
		if err != nil {
			part.Close()
			os.Remove(part.Name())
		}
	}()
	sum, got, err := tee(ctx, part, nil, r)
	switch {
	case err != nil:
		return fmt.Errorf("fetch %s into the cache: %w", n.digest(), err)
	case got != size || nameOf(sum) != n:
		return fmt.Errorf("%w: asked for %s, %d bytes, the store yields %s, %d bytes", modelregistry.ErrCorrupt,
			n.digest(), size, nameOf(sum).digest(), got)
	}
	// Synced, or a power loss could leave an empty file under the name. The entry in the directory may be lost.
	if err = part.Sync(); err == nil {
		err = part.Close()
	}
	if err == nil {
		err = os.Rename(part.Name(), c.path(n))
	}
	if err == nil {
		now := time.Now()
		err = os.Chtimes(c.path(n), now, now)
		if errors.Is(err, fs.ErrNotExist) {
			err = nil // another process made room at once; openKept finds that out
		}
	}
	if err != nil {
		return fmt.Errorf("keep %s in the cache: %w", n.digest(), err)
	}
	return nil
}

// makeRoom reserves size bytes and removes what was used longest ago until they fit. It looks at the directory only when
// there seems to be too much, or after a sixteenth of the limit was kept since the last look, for what other processes do.
func (c *Cache) makeRoom(size int64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reserved += size
	if c.kept+c.reserved <= c.limit && c.unseen <= c.limit/16 {
		return nil
	}
	err := c.evict()
	if err == nil && c.kept+c.reserved > c.limit {
		err = errNoRoom // other transfers need it
	}
	if err != nil {
		c.reserved -= size
	}
	return err
}

// evict reads the directory and makes room for what is reserved. c.mu is held.
func (c *Cache) evict() error {
	list, err := os.ReadDir(c.dir)
	if err != nil {
		return err
	}
	var copies []fs.FileInfo
	var total int64
	for _, e := range list {
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() {
			continue // removed by another process
		}
		switch {
		case isName(e.Name()):
			copies = append(copies, info)
			total += info.Size()
		case strings.HasPrefix(e.Name(), partPrefix) && time.Since(info.ModTime()) > staleAfter:
			_ = os.Remove(filepath.Join(c.dir, e.Name())) // a crash left it
		}
	}
	slices.SortFunc(copies, func(a, b fs.FileInfo) int {
		return cmp.Or(a.ModTime().Compare(b.ModTime()), strings.Compare(a.Name(), b.Name()))
	})
	for _, info := range copies {
		if total+c.reserved <= c.limit {
			break
		}
		// Whoever has it open reads on, except on Windows, where removing fails: then it goes another time.
		if err := os.Remove(filepath.Join(c.dir, info.Name())); err == nil || errors.Is(err, fs.ErrNotExist) {
			total -= info.Size()
			delete(c.known, name(info.Name()))
		}
	}
	c.kept, c.unseen = total, 0
	return nil
}
