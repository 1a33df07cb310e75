// Package netfault is a TCP proxy in front of a PostgreSQL server that breaks connections between two messages of its
// protocol. It reads the framing of version 3 in both directions, so that a test can name the very message.
package netfault

import (
	"net"
	"net/url"
	"sync"
	"testing"
)

// A Side is one of the two that talk.
type Side uint8

// The sides.
const (
	Client Side = iota
	Server
)

func (s Side) String() string { return [...]string{"client", "server"}[s] }

// A Kind is how a connection breaks.
type Kind uint8

// The kinds of breaks.
const (
	// FIN ends the streams to both sides.
	FIN Kind = iota
	// RST resets the connections to both sides.
	RST
	// Hole holds back everything in both directions until Heal, and then delivers it late, as TCP does.
	Hole
	// HalfHole is a Hole in the direction of the message alone.
	HalfHole
	// Ghost resets the client's connection and keeps the server's, which never hears of it until Heal.
	Ghost
	// Blackout is a Hole in all connections, also those that are made later.
	Blackout
)

func (k Kind) String() string {
	return [...]string{"FIN", "RST", "hole", "half a hole", "ghost", "blackout"}[k]
}

// A Cut is a break at one message of a connection.
type Cut struct {
	Kind  Kind
	From  Side
	N     int  // the message's number among those of its side, from 0; the client's first is the one that starts the session
	After bool // the message still arrives
}

// A Message is one that a side sent.
type Message struct {
	From Side
	N    int    // its number among those of its side
	Type byte   // 0 for the one that starts the session
	Text string // the statement of a Query or Parse
}

// A Proxy passes connections on to a server. It is safe for concurrent use.
type Proxy struct {
	listener net.Listener
	server   string
	pumps    sync.WaitGroup

	mu      sync.Mutex
	changed *sync.Cond // of mu
	links   map[*link]struct{}
	armed   *Trap
	dark    bool // a Blackout
	closed  bool
}

// New starts a proxy for the server of a postgres:// URL, and returns the URL that leads through it, without TLS. The
// proxy ends with the test.
func New(t testing.TB, dsn string) (p *Proxy, through string) {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatalf("netfault: %v", err)
	}
	port := u.Port()
	if port == "" {
		port = "5432"
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("netfault: %v", err)
	}
	p = &Proxy{listener: l, server: net.JoinHostPort(u.Hostname(), port), links: map[*link]struct{}{}}
	p.changed = sync.NewCond(&p.mu)
	p.pumps.Go(p.accept)
	t.Cleanup(p.close)
	u.Host = l.Addr().String()
	q := u.Query()
	q.Set("sslmode", "disable")
	u.RawQuery = q.Encode()
	return p, u.String()
}

// A Trap waits for a message of one connection, and notes all that it carries.
type Trap struct {
	proxy    *Proxy
	cut      *Cut // nil only notes
	messages []Message
	met      chan struct{}
	gone     chan struct{}
}

// Arm sets a trap for the next connection that starts a session; requests to cancel do not. A cut of nil breaks nothing.
func (p *Proxy) Arm(cut *Cut) *Trap {
	t := &Trap{proxy: p, cut: cut, met: make(chan struct{}), gone: make(chan struct{})}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.armed = t
	return t
}

// Met is closed when the connection was broken.
func (t *Trap) Met() <-chan struct{} { return t.met }

// Gone is closed when both sides have closed the connection.
func (t *Trap) Gone() <-chan struct{} { return t.gone }

// Messages are those that were passed on so far, an answer behind what it answers.
func (t *Trap) Messages() []Message {
	t.proxy.mu.Lock()
	defer t.proxy.mu.Unlock()
	return append([]Message(nil), t.messages...)
}

// Sever ends all connections there are, as FIN does.
func (p *Proxy) Sever() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.links {
		l.sever(FIN)
	}
}

// Blackout breaks all connections, as the kind of that name does.
func (p *Proxy) Blackout() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dark = true
}

// Heal delivers what was held back, and holds nothing back any more.
func (p *Proxy) Heal() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dark = false
	for l := range p.links {
		l.held = [2]bool{}
	}
	p.changed.Broadcast()
}

// Open is how many connections the clients have not closed.
func (p *Proxy) Open() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for l := range p.links {
		if !l.ended[Client] {
			n++
		}
	}
	return n
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return // closed
		}
		p.pumps.Go(func() { p.connect(client.(*net.TCPConn)) })
	}
}

func (p *Proxy) close() {
	_ = p.listener.Close()
	p.mu.Lock()
	p.closed = true
	for l := range p.links {
		l.sever(RST)
	}
	p.changed.Broadcast()
	p.mu.Unlock()
	p.pumps.Wait()
}
