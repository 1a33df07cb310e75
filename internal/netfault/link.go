package netfault

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"
	"strings"
)

// A link is a client's connection and the one to the server that belongs to it. The proxy's mutex guards it.
//
// Each side has a goroutine that reads, always, so that it is seen when a side closes its end; and one that forwards
// what was read, unless it is held back.
type link struct {
	proxy *Proxy
	conns [2]*net.TCPConn // by Side
	queue [2][]frame      // read and not yet forwarded
	sent  [2]int          // forwarded messages
	held  [2]bool
	ended [2]bool // the side has closed its end
	shut  bool    // nothing is forwarded any more
	trap  *Trap
}

// A frame is a message as it is on the wire.
type frame struct {
	Message
	bytes []byte
	end   bool // the stream ends instead
}

func (p *Proxy) connect(client *net.TCPConn) {
	conn, err := net.Dial("tcp", p.server)
	if err != nil {
		_ = client.SetLinger(0)
		_ = client.Close()
		return
	}
	l := &link{proxy: p, conns: [2]*net.TCPConn{client, conn.(*net.TCPConn)}}
	p.mu.Lock()
	p.links[l] = struct{}{}
	if p.closed {
		l.sever(RST)
	}
	p.mu.Unlock()
	for _, side := range []Side{Client, Server} {
		p.pumps.Go(func() { l.read(side) })
		p.pumps.Go(func() { l.forward(side) })
	}
}

const cancelRequest = 80877102 // the code in front of a request to cancel

// read queues what a side sends until it ends.
func (l *link) read(side Side) {
	r := bufio.NewReader(l.conns[side])
	for n := 0; ; n++ {
		f, err := readFrame(r, side == Client && n == 0)
		f.From, f.N = side, n
		f.end = err != nil // a reset is an end too
		l.proxy.mu.Lock()
		if starts := side == Client && n == 0 && !f.end; starts && binary.BigEndian.Uint32(f.bytes[4:]) != cancelRequest {
			l.trap, l.proxy.armed = l.proxy.armed, nil
		}
		l.queue[side] = append(l.queue[side], f)
		if f.end {
			l.ended[side] = true
			l.forget()
		}
		l.proxy.changed.Broadcast()
		l.proxy.mu.Unlock()
		if f.end {
			return
		}
	}
}

// forget closes the sockets when both sides have.
func (l *link) forget() {
	if !l.ended[Client] || !l.ended[Server] {
		return
	}
	if _, ok := l.proxy.links[l]; !ok {
		return
	}
	delete(l.proxy.links, l)
	for _, c := range l.conns {
		_ = c.Close() // both ends know
	}
	l.shut = true
	if l.trap != nil {
		close(l.trap.gone)
	}
}

func readFrame(r *bufio.Reader, untyped bool) (frame, error) {
	head := 5
	if untyped {
		head = 4
	}
	b := make([]byte, head, 256)
	if _, err := io.ReadFull(r, b); err != nil {
		return frame{}, err
	}
	size := int(binary.BigEndian.Uint32(b[head-4:])) - 4
	if size < 0 || untyped && size < 4 {
		return frame{}, io.ErrUnexpectedEOF
	}
	b = append(b, make([]byte, size)...)
	if _, err := io.ReadFull(r, b[head:]); err != nil {
		return frame{}, err
	}
	f := frame{bytes: b}
	if !untyped {
		f.Type = b[0]
		switch body := string(b[head:]); f.Type {
		case 'Q':
			f.Text = strings.TrimRight(body, "\x00")
		case 'P':
			_, f.Text, _ = strings.Cut(body, "\x00") // behind the statement's name
			f.Text, _, _ = strings.Cut(f.Text, "\x00")
		}
	}
	return f, nil
}

// forward passes on what a side sent.
func (l *link) forward(side Side) {
	p := l.proxy
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		for !l.shut && (len(l.queue[side]) == 0 || p.dark || l.held[side]) {
			p.changed.Wait()
		}
		if l.shut {
			return
		}
		f := l.queue[side][0]
		if !f.end && l.cutAt(side, false) {
			continue
		}
		l.queue[side] = l.queue[side][1:]
		if f.end {
			_ = l.conns[1-side].CloseWrite() // it may be closed
			return
		}
		if l.trap != nil { // before the answer can be there
			l.trap.messages = append(l.trap.messages, f.Message)
		}
		p.mu.Unlock()
		_, _ = l.conns[1-side].Write(f.bytes) // that an end is closed its reader will see
		p.mu.Lock()
		l.cutAt(side, true)
		l.sent[side]++
	}
}

// cutAt breaks the link if that was asked for at the message of side that is next to be counted as sent.
func (l *link) cutAt(side Side, after bool) bool {
	t := l.trap
	if t == nil || t.cut == nil || t.cut.From != side || t.cut.N != l.sent[side] || t.cut.After != after {
		return false
	}
	switch t.cut.Kind {
	case Hole:
		l.held = [2]bool{true, true}
	case HalfHole:
		l.held[side] = true
	case Blackout:
		l.proxy.dark = true
	default:
		l.sever(t.cut.Kind)
	}
	t.cut = nil
	close(t.met)
	return true
}

// sever ends the link. The sides are still read from, for a socket that is closed with something unread is reset.
func (l *link) sever(kind Kind) {
	if kind == Ghost {
		_ = l.conns[Client].SetLinger(0)
		_ = l.conns[Client].Close()
		l.held = [2]bool{true, true} // Heal delivers the end of the stream, which the reader finds
		return
	}
	l.shut = true
	for _, c := range l.conns {
		if kind == RST {
			_ = c.SetLinger(0)
			_ = c.Close()
		} else {
			_ = c.CloseWrite()
		}
	}
	l.proxy.changed.Broadcast()
}
