package postgres_test

import (
	"database/sql"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/lib/pq"
	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry/backend"
	"github.com/modelregistry-go/modelregistry/backend/postgres"
	"github.com/modelregistry-go/modelregistry/internal/pgtest"
)

// A role that may only change rows uses a store that somebody else made, in a schema of any name, over one connection.
func TestARoleWithoutRightsToMakeTables(t *testing.T) {
	schema := newSchema(t)
	dsn := withParam(t, pgtest.Server(t), "schema", schema)
	owner := open(t, dsn)
	require.NoError(t, owner.Declare(t.Context(), counters))
	role, quoted := fmt.Sprintf("guest_%016x", rand.Uint64()), `"`+strings.ReplaceAll(schema, `"`, `""`)+`"`
	server := pgtest.Server(t)
	exec(t, server, "CREATE ROLE "+role)
	t.Cleanup(func() { exec(t, server, "DROP OWNED BY "+role+" CASCADE"); exec(t, server, "DROP ROLE "+role) })
	exec(t, server, "GRANT USAGE ON SCHEMA "+quoted+" TO "+role)
	exec(t, server, "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA "+quoted+" TO "+role)

	cfg, err := pq.NewConfig(server)
	require.NoError(t, err)
	cfg.Runtime = map[string]string{"role": role}
	connector, err := pq.NewConnectorConfig(cfg)
	require.NoError(t, err)
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	guest, err := postgres.New(t.Context(), db, &postgres.Options{Schema: schema})
	require.NoError(t, err)
	defer func() { require.NoError(t, guest.Close()) }()
	require.NoError(t, guest.Declare(t.Context(), counters))
	var who string
	require.NoError(t, db.QueryRowContext(t.Context(), "SELECT current_user").Scan(&who))
	require.Equal(t, role, who)
	requireApart(t, owner, guest)
	newer := counters
	newer.Format++
	newer.Tables = append([]backend.Table{{Name: "more", Key: []backend.Field{{Name: "id", Kind: backend.String}}}}, counters.Tables...)
	require.ErrorContains(t, guest.Declare(t.Context(), newer), "permission denied")
	requireApart(t, guest, owner)
}
