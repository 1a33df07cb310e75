package main

import (
	"io"
	"math"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// ended says whether the far end of a connection was closed.
func ended(near net.Conn) bool {
	_ = near.SetReadDeadline(time.Now().Add(time.Millisecond))
	_, err := near.Read(make([]byte, 1))
	return err == io.EOF
}

func TestConnectionsAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newConnections(4)
		near, far := make([]net.Conn, 10), make([]net.Conn, 10)
		for i := range near {
			near[i], far[i] = net.Pipe()
		}
		add := func(i int, states ...http.ConnState) {
			time.Sleep(100 * time.Millisecond)
			for _, state := range append([]http.ConnState{http.StateNew}, states...) {
				c.changed(far[i], state)
			}
			synctest.Wait()
		}
		closed := func() (out []int) {
			for i, conn := range near {
				if ended(conn) {
					out = append(out, i)
				}
			}
			return out
		}
		add(0, http.StateActive, http.StateIdle)
		add(1, http.StateActive)
		add(2)
		add(3)
		require.Empty(t, closed())
		add(4, http.StateActive)
		require.Equal(t, []int{2}, closed(), "the one that has said nothing for longest makes room")
		add(5, http.StateActive)
		require.Equal(t, []int{2, 3}, closed())
		add(6, http.StateActive)
		require.Equal(t, []int{0, 2, 3}, closed(), "then one between two requests")
		add(7)
		require.Equal(t, []int{0, 2, 3, 7}, closed(), "and none that is being answered")
		c.changed(far[1], http.StateClosed)
		add(8)
		require.Equal(t, []int{0, 2, 3, 7}, closed())
		time.Sleep(firstByteTime)
		synctest.Wait()
		require.Equal(t, []int{0, 2, 3, 7, 8}, closed(), "a first byte has to come soon")
		require.Len(t, c.open, 4, "until the server says that it is closed")
		for i := range far {
			c.changed(far[i], http.StateClosed)
			require.NoError(t, near[i].Close())
		}
		require.Empty(t, c.open)
	})
}

func TestConnectionsGoByDescriptors(t *testing.T) {
	require.Equal(t, 16, affordable(1000, 64))
	require.Equal(t, 8, affordable(1000, 20))
	require.Equal(t, 1000, affordable(1000, math.MaxInt32))
	require.Equal(t, 3, affordable(3, 1024))
}
