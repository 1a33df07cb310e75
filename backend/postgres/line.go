package postgres

import (
	"context"
	"net"
	"sync"
	"time"
)

// A line is lib/pq's dialer for one connection; it knows the socket, and so can cut it off.
type line struct {
	mu   sync.Mutex
	conn net.Conn
	up   bool // what is dialled from now on carries requests to cancel
	dead bool
}

var dialer = net.Dialer{
	Timeout:         10 * time.Second,
	KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 5 * time.Second, Count: 3},
	Control:         control,
}

func (l *line) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	l.mu.Lock()
	up := l.up
	l.mu.Unlock()
	if up {
		return dialCancel(ctx, network, address)
	}
	c, err := dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conn = c
	if l.dead {
		_ = c.Close() // the caller is told by the next write
	}
	return c, nil
}

// Dial and DialTimeout are what lib/pq's interface asks for besides; it calls DialContext where there is one.
func (l *line) Dial(network, address string) (net.Conn, error) {
	return l.DialContext(context.Background(), network, address)
}

func (l *line) DialTimeout(network, address string, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	return l.DialContext(ctx, network, address)
}

func (l *line) connected() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.up = true
}

// cut makes every read and write on the line fail from now on. lib/pq closes the socket when it notices.
func (l *line) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dead = true
	if l.conn != nil {
		_ = l.conn.SetDeadline(time.Unix(1, 0)) // a socket that is closed already needs none
	}
}

// hasty is a connection with a deadline that cannot be put off.
type hasty struct {
	net.Conn
	deadline time.Time
}

func dialCancel(ctx context.Context, network, address string) (net.Conn, error) {
	deadline := time.Now().Add(cancelTime)
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	c, err := dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	h := &hasty{Conn: c, deadline: deadline}
	return h, h.SetDeadline(deadline)
}

func (h *hasty) SetDeadline(t time.Time) error {
	if t.IsZero() || t.After(h.deadline) {
		t = h.deadline
	}
	return h.Conn.SetDeadline(t)
}
