package sqldb

import (
	"context"
	"testing"

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
