package main

import (
	"net"
	"net/http"
	"sync"
	"time"
)

const (
	// firstByteTime is how long a connection may be open before its first request is asked, which for http.Server is the end of
	// its header, and over TLS behind the handshake: who connects means to ask.
	firstByteTime = 3 * time.Second
	// spareDescriptors are kept for what is no connection: databases, listeners, logs.
	spareDescriptors = 32
	// leastConnections is a limit below which none is lowered.
	leastConnections = 8
)

// connections are those of a server, at most so many. Where there are as many, a new one takes the place of the one that has
// waited longest without a request, so that connections that say nothing keep nobody out.
type connections struct {
	most int
	mu   sync.Mutex
	open map[net.Conn]*connection
}

type connection struct {
	state http.ConnState
	since time.Time
	timer *time.Timer // ends it while it is new
}

func newConnections(most int) *connections {
	return &connections{most: most, open: map[net.Conn]*connection{}}
}

// affordable is how many connections there may be of those wanted: each request may need a file besides.
func affordable(wanted, descriptors int) int {
	return min(wanted, max((descriptors-spareDescriptors)/2, leastConnections))
}

// changed is for http.Server.ConnState.
func (c *connections) changed(conn net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	known := c.open[conn]
	switch {
	case state == http.StateClosed || state == http.StateHijacked:
		c.forget(conn)
	case known != nil:
		known.timer.Stop()
		known.state, known.since = state, time.Now()
	case state == http.StateNew:
		if len(c.open) >= c.most && !c.makeRoom() {
			closeSoon(conn)
			return
		}
		c.open[conn] = &connection{state: state, since: time.Now(), timer: time.AfterFunc(firstByteTime, func() { closeSoon(conn) })}
	}
}

// makeRoom closes a connection that waits: one that never asked anything before one that did.
func (c *connections) makeRoom() bool {
	var chosen net.Conn
	for conn, known := range c.open {
		if known.state != http.StateNew && known.state != http.StateIdle {
			continue
		}
		if best := c.open[chosen]; best == nil || known.state == http.StateNew && best.state != http.StateNew ||
			known.state == best.state && known.since.Before(best.since) {
			chosen = conn
		}
	}
	if chosen == nil {
		return false
	}
	c.forget(chosen)
	closeSoon(chosen)
	return true
}

func (c *connections) forget(conn net.Conn) {
	if known := c.open[conn]; known != nil {
		known.timer.Stop()
		delete(c.open, conn)
	}
}

// closeSoon closes a connection beside the caller, since TLS says goodbye, which can take a while. What comes of it the server sees.
func closeSoon(conn net.Conn) { go func() { _ = conn.Close() }() }
