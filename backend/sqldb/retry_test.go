package sqldb

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// canceled is the server's answer to a request to cancel a statement.
type canceled struct{}

func (canceled) Error() string    { return "canceling statement due to user request" }
func (canceled) SQLState() string { return "57014" }

// A driver may give a connection up when the context of its statement ends, and tell the server's answer as the error: the
// connection is closed then, not kept for the next call.
func TestAConnectionIsNotKeptWhenItsContextHasEnded(t *testing.T) {
	db := &DB{dialect: Postgres()}
	ctx, cancel := context.WithCancel(t.Context())
	c := &conn{d: &db.dialect}
	db.judge(ctx, nil, c, db.fault("find", canceled{}))
	require.False(t, c.bad, "somebody else had it canceled, and it is as good as before")
	cancel()
	db.judge(ctx, nil, c, db.fault("find", canceled{}))
	require.True(t, c.bad)
}

// A call without a deadline ends by itself when what should pass does not, and says what it waited for.
func TestPatienceEnds(t *testing.T) {
	db := &DB{dialect: Postgres(), patience: 20 * time.Millisecond}
	tries := 0
	err := db.retry(t.Context(), func() error {
		tries++
		return &fault{doing: "connect", kind: Lost, err: errors.New("refused")}
	})
	require.ErrorContains(t, err, "connect: refused; tried again for 20ms")
	require.Greater(t, tries, 1)

	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	err = db.retry(ctx, func() error { return &fault{doing: "connect", kind: Lost, err: errors.New("refused")} })
	require.ErrorIs(t, err, context.DeadlineExceeded, "with a deadline that is the limit")
}
