package sign_test

import (
	"crypto/ed25519"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry"
	"github.com/modelregistry-go/modelregistry/backend/sqlite"
	"github.com/modelregistry-go/modelregistry/sign"
)

// rewrite makes a history anew that is whole by itself, as the database's owner can: every event says another actor, and is
// chained; the end of the chain is moved along. With cut the last events are taken away.
func rewrite(t *testing.T, db *sql.DB, from, to string, cut int) {
	rows, err := db.Query("SELECT rowid, doc FROM events ORDER BY rowid")
	require.NoError(t, err)
	type event struct {
		id  int64
		doc string
	}
	var events []event
	for rows.Next() {
		var e event
		require.NoError(t, rows.Scan(&e.id, &e.doc))
		events = append(events, e)
	}
	require.NoError(t, rows.Err())
	hash := func(doc string) string {
		sum := sha256.Sum256([]byte(doc))
		return hex.EncodeToString(sum[:])
	}
	prev, head := regexp.MustCompile(`"prev":"[0-9a-f]*"`), ""
	for _, e := range events[:len(events)-cut] {
		doc := e.doc
		if from != "" {
			doc = strings.ReplaceAll(doc, from, to)
		}
		doc = prev.ReplaceAllString(doc, `"prev":"`+head+`"`)
		head = hash(doc)
		_, err := db.Exec("UPDATE events SET doc = ? WHERE rowid = ?", doc, e.id)
		require.NoError(t, err)
	}
	for _, e := range events[len(events)-cut:] {
		_, err := db.Exec("DELETE FROM events WHERE rowid = ?", e.id)
		require.NoError(t, err)
	}
	last := events[len(events)-cut-1]
	var at struct{ Time json.RawMessage }
	require.NoError(t, json.Unmarshal([]byte(last.doc), &at))
	_, err = db.Exec(`UPDATE models SET doc = json_set(doc, '$.chain.seq', ?, '$.chain.head', ?, '$.chain.time', json_extract(?, '$'))`,
		len(events)-cut, head, string(at.Time))
	require.NoError(t, err)
}

// What the database's owner can do unseen is shown by a checkpoint that was signed and kept elsewhere.
func TestCheckpointsShowRewritingAndTruncation(t *testing.T) {
	for name, c := range map[string]struct {
		from, to string
		cut      int
		problem  string
	}{
		"other actors":                   {`"actor":"ann"`, `"actor":"bob"`, 0, "is not the one that a checkpoint"},
		"a reason that was another":      {`"reason":"second"`, `"reason":"2nd"`, 0, "is not the one that a checkpoint"},
		"the last two, which cancel out": {"", "", 2, "the chain ends with event 3"},
	} {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			path := filepath.Join(t.TempDir(), "r.db")
			b, err := sqlite.Open(ctx, path, nil)
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, b.Close()) })
			r, err := modelregistry.New(ctx, b, nil, &modelregistry.Options{Actor: "ann"})
			require.NoError(t, err)
			_, err = r.CreateModel(ctx, "m", modelregistry.ModelSpec{})
			require.NoError(t, err)
			for _, reason := range []string{"first", "second"} {
				_, err = r.UpdateModel(ctx, "m", modelregistry.ModelPatch{SetTags: map[string]string{"a": reason}, Reason: reason})
				require.NoError(t, err)
			}
			_, err = r.UpdateModel(ctx, "m", modelregistry.ModelPatch{Protect: new(true)})
			require.NoError(t, err)
			_, err = r.UpdateModel(ctx, "m", modelregistry.ModelPatch{Protect: new(false), Reason: "undone"})
			require.NoError(t, err)
			public, private := key(t)
			taken, err := r.Checkpoint(ctx, "m")
			require.NoError(t, err)
			sealed, err := sign.SealCheckpoint(taken, private)
			require.NoError(t, err)
			text, err := json.Marshal(sealed)
			require.NoError(t, err)

			db, err := sql.Open("sqlite3", path)
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, db.Close()) })
			rewrite(t, db, c.from, c.to, c.cut)
			_, err = r.Verify(ctx, "m")
			require.NoError(t, err, "by itself the history is whole")

			var kept modelregistry.Envelope
			require.NoError(t, json.Unmarshal(text, &kept))
			checkpoint, err := sign.OpenCheckpoint(kept, public)
			require.NoError(t, err)
			report, err := r.Verify(ctx, "m", checkpoint)
			require.ErrorIs(t, err, modelregistry.ErrCorrupt)
			require.Contains(t, report.Problem, c.problem)
		})
	}
}

func TestForgedCheckpointsAreRefused(t *testing.T) {
	public, private := key(t)
	other, evil := key(t)
	c := &modelregistry.Checkpoint{Heads: []modelregistry.Head{{ModelID: "a", Seq: 1, Hash: "00"}}}
	good, err := sign.SealCheckpoint(c, private)
	require.NoError(t, err)
	got, err := sign.OpenCheckpoint(good, other, public)
	require.NoError(t, err)
	require.Equal(t, c, got)

	byAnother, err := sign.SealCheckpoint(c, evil)
	require.NoError(t, err)
	byAnother.Signatures[0].KeyID = good.Signatures[0].KeyID
	altered, retyped, unknown := good, good, good
	altered.Payload = []byte(strings.Replace(string(good.Payload), `"seq":1`, `"seq":2`, 1))
	retyped.PayloadType = sign.PayloadType
	unknown.Payload = []byte(`{"only":"a"}`)
	for name, e := range map[string]modelregistry.Envelope{
		"by another key": byAnother, "altered": altered, "of another type": retyped, "something else": unknown, "nothing": {},
	} {
		_, err := sign.OpenCheckpoint(e, public)
		require.ErrorIs(t, err, modelregistry.ErrCorrupt, name)
	}
	_, err = sign.OpenCheckpoint(good)
	require.ErrorIs(t, err, modelregistry.ErrCorrupt)
	_, err = sign.OpenCheckpoint(good, ed25519.PublicKey("short"))
	require.ErrorIs(t, err, modelregistry.ErrInvalid)
	_, err = sign.SealCheckpoint(nil, private)
	require.ErrorIs(t, err, modelregistry.ErrInvalid)
	_, err = sign.SealCheckpoint(c, nil)
	require.ErrorIs(t, err, modelregistry.ErrInvalid)
}
