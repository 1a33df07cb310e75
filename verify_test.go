package modelregistry_test

import (
	"database/sql"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/modelregistry-go/modelregistry"
	"github.com/modelregistry-go/modelregistry/backend/sqlite"
)

// tamperable is a registry on SQLite with a history of all sorts, and the means to change its rows by SQL.
func tamperable(t *testing.T) (r modelregistry.Registry, db *sql.DB) {
	ctx := t.Context()
	path := filepath.Join(t.TempDir(), "r.db")
	b, err := sqlite.Open(ctx, path, nil)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	r = newRegistry(t, b, memBlobs(t))
	for i, content := range []string{"good", "evil", "third", "fourth"} {
		_, err := r.Register(ctx, "fraud", modelregistry.VersionSpec{
			Files: oneFile(content), Bump: modelregistry.BumpMinor, Tags: map[string]string{"n": content}, Metrics: map[string]float64{"auc": float64(i)},
			Params: map[string]string{"p": content}, Signature: &modelregistry.Signature{Inputs: modelregistry.Schema{{Name: "x", Type: modelregistry.TypeDouble}}},
		})
		require.NoError(t, err)
	}
	for _, number := range []int{1, 2, 3} {
		_, err = r.Promote(ctx, "fraud", number, modelregistry.Production, nil)
		require.NoError(t, err)
	}
	_, err = r.SetAlias(ctx, "fraud", "champion", 3, nil)
	require.NoError(t, err)
	require.NoError(t, r.DeleteVersion(ctx, "fraud", 4, nil))
	q, err := r.As("ann").RequestTransition(ctx, "fraud", 1, modelregistry.Staging, modelregistry.RequestSpec{
		Need: 2, Approvers: []string{"bob", "carl", "dave"}, Expires: time.Now().Add(time.Hour),
	})
	require.NoError(t, err)
	_, err = r.As("bob").Approve(ctx, q.ID, "looks good")
	require.NoError(t, err)
	_, err = r.As("eve").Comment(ctx, q.ID, "slow")
	require.NoError(t, err)
	q, err = r.As("ann").RequestAlias(ctx, "fraud", "next", 2, modelregistry.RequestSpec{})
	require.NoError(t, err)
	_, err = r.As("bob").Reject(ctx, q.ID, "too early")
	require.NoError(t, err)
	_, err = r.Register(ctx, "other", modelregistry.VersionSpec{})
	require.NoError(t, err)
	_, err = r.UpdateModel(ctx, "other", modelregistry.ModelPatch{ProtectAliases: []string{"champion"}})
	require.NoError(t, err)
	_, err = r.RenameModel(ctx, "other", "another", nil)
	require.NoError(t, err)
	data := modelregistry.Node{Kind: modelregistry.Dataset, Name: "iris"}
	require.NoError(t, r.Link(ctx, nil, modelregistry.Edge{From: data, Type: modelregistry.DerivedFrom, To: modelregistry.Node{Kind: modelregistry.Dataset, Name: "raw"}}))
	db, err = sql.Open("sqlite3", path)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return r, db
}

// Whatever of the rows that anything reads is changed by SQL, Verify or VerifyAll finds it and says what it is.
func TestVerifyFindsWhatSQLChanged(t *testing.T) {
	for name, c := range map[string]struct {
		sql     string
		problem string
		all     bool // only VerifyAll can find it
	}{
		"the stages and aliases of events":   {`UPDATE events SET stage_from = '', stage_to = '', alias = ''`, "stage_to", false},
		"an alias of an event":               {`UPDATE events SET alias = '' WHERE alias = 'champion'`, "alias", false},
		"the version of an event":            {`UPDATE events SET version = 1 WHERE version = 2 AND stage_to <> ''`, "version", false},
		"the time of an event":               {`UPDATE events SET time = time + 1 WHERE alias = 'champion'`, "time", false},
		"the model of an event":              {`UPDATE events SET model_id = 'x' WHERE alias = 'champion'`, "follows event", false},
		"an event that is gone":              {`DELETE FROM events WHERE alias = 'champion'`, "follows event", false},
		"a version's digest":                 {`UPDATE versions SET doc = replace(doc, (SELECT digest FROM versions WHERE model = 'fraud' AND number = 1), (SELECT digest FROM versions WHERE model = 'fraud' AND number = 2)), digest = (SELECT digest FROM versions WHERE model = 'fraud' AND number = 2) WHERE model = 'fraud' AND number = 1`, "version 1 has the digest", false},
		"a version's digest as it is found":  {`UPDATE versions SET digest = 'sha256:0' WHERE model = 'fraud' AND number = 1`, "digest", false},
		"a version's stage":                  {`UPDATE versions SET doc = replace(doc, '"stage":"Archived"', '"stage":"None"'), stage = '' WHERE model = 'fraud' AND number = 2`, "version 2: stage", false},
		"who is found in Production":         {`UPDATE versions SET stage = CASE number WHEN 1 THEN 'Production' ELSE 'Archived' END WHERE model = 'fraud'`, "stage", false},
		"whom an alias finds":                {`UPDATE versions_aliases SET number = 1`, "aliases", false},
		"a semantic version as it is found":  {`UPDATE versions SET semver = 'x' WHERE model = 'fraud' AND number = 1`, "semver", false},
		"a tag as it is found":               {`UPDATE versions_tags SET value = 'x' WHERE number = 1`, "tags", false},
		"a metric as it is found":            {`UPDATE versions_metrics SET value = 9 WHERE number = 1`, "metrics", false},
		"a param of a version":               {`UPDATE versions SET doc = replace(doc, '"p":"good"', '"p":"best"') WHERE number = 1`, "params", false},
		"a param of a version, everywhere":   {`UPDATE versions SET doc = replace(doc, '"p":"good"', '"p":"best"') WHERE number = 1; UPDATE versions_params SET value = 'best' WHERE number = 1 AND model = 'fraud'`, "params", false},
		"when a version was made":            {`UPDATE versions SET created = created + 1 WHERE model = 'fraud'`, "created", false},
		"a version that is gone":             {`DELETE FROM versions WHERE model = 'fraud' AND number = 2`, "version 2 has no row", false},
		"a version that is back":             {`INSERT INTO versions SELECT model, 4, stage, semver || 'x', digest, run, created, updated, sides_sha256, replace(doc, '"number":1', '"number":4') FROM versions WHERE model = 'fraud' AND number = 1`, "version 4", false},
		"a version that never was":           {`INSERT INTO versions SELECT model, 5, '', semver || 'x', digest, run, created, updated, '', '{"model":"fraud","number":5}' FROM versions WHERE model = 'fraud' AND number = 1`, "version 5", false},
		"a version of a model that is not":   {`INSERT INTO versions SELECT 'ghost', 1, stage, semver, digest, run, created, updated, sides_sha256, doc FROM versions WHERE model = 'fraud' AND number = 1`, `"ghost", which is not there`, true},
		"a signature":                        {`UPDATE facts SET doc = replace(doc, 'double', 'float') WHERE kind = 'signature' AND number = 2`, "version 2 has other facts", false},
		"a signature that is gone":           {`DELETE FROM facts WHERE kind = 'signature' AND number = 2`, "version 2 has other facts", false},
		"whom the model's row names":         {`UPDATE models SET doc = replace(doc, '"champion":3', '"champion":1')`, "aliases", false},
		"who holds Production":               {`UPDATE models SET doc = replace(doc, '"Production":[3]', '"Production":[1]')`, "holders", false},
		"the next number":                    {`UPDATE models SET doc = replace(doc, '"last":4', '"last":3')`, "last", false},
		"a model's ID as it is found":        {`UPDATE models SET id = 'x' WHERE name = 'fraud'`, "neither a model's row", false},
		"a model's row":                      {`DELETE FROM models WHERE name = 'fraud'`, "neither a model's row", false},
		"a model's row under another name":   {`UPDATE models SET name = 'freud' WHERE name = 'fraud'`, "under the name", false},
		"the end of the chain":               {`UPDATE models SET doc = replace(doc, '"seq":', '"seq":1')`, "the chain ends", false},
		"a name that is another model's":     {`INSERT INTO names SELECT 'another', turn + 1, model_id, doc FROM names WHERE name = 'fraud'`, `"another" leads to the model`, false},
		"a name that nobody had":             {`INSERT INTO names VALUES ('ghost', 1, 'x', '{"model_id":"x"}')`, `"ghost" leads to a model "x" that never was`, true},
		"the turn of a name":                 {`UPDATE names SET turn = turn + 1 WHERE name = 'other'`, `"other" leads to the model`, true},
		"what stands by a name that is left": {`UPDATE names SET doc = replace(doc, 'champion', 'ex') WHERE name = 'other'`, `stands by the name "other"`, true},
		"a name that is gone":                {`DELETE FROM names WHERE name = 'other'`, "names that the model had", true},
		"when a name went to another":        {`UPDATE names SET doc = replace(doc, '"until":', '"until":1') WHERE name = 'other'`, `loses the name "other"`, true},
		"a model without anything":           {`DELETE FROM models WHERE name = 'fraud'; DELETE FROM names WHERE name = 'fraud'; DELETE FROM versions WHERE model = 'fraud'`, "neither a model's row", true},
		"the lineage's chain":                {`UPDATE events SET doc = replace(doc, 'iris', 'isis') WHERE model_id = 'lineage'`, "the chain ends", true},
		"the end of the lineage's chain":     {`DELETE FROM chains`, "neither a model's row", true},
		"how many approvals a request needs": {`UPDATE approvals SET doc = replace(doc, '"need":2', '"need":1')`, "need, approvers", false},
		"who may vote":                       {`UPDATE approvals SET doc = replace(doc, '"carl"', '"carla"')`, "need, approvers", false},
		"what a request is for":              {`UPDATE approvals SET doc = replace(doc, '"stage":"Staging"', '"stage":"Production"')`, "version, stage, alias", false},
		"whose version a request is about":   {`UPDATE approvals SET doc = replace(doc, '"version":1', '"version":2'), version = 2 WHERE state = 'pending'`, "version, stage, alias", false},
		"when a request expires":             {`UPDATE approvals SET doc = json_set(doc, '$.expires', '2099-01-01T00:00:00Z'), expires = 4070908800000000 WHERE state = 'pending'`, "expiry", false},
		"when a request is found to expire":  {`UPDATE approvals SET expires = expires + 1 WHERE state = 'pending'`, "found by another expires", false},
		"a request's state as it is found":   {`UPDATE approvals SET state = 'approved' WHERE state = 'rejected'`, "found by another state", false},
		"a request's version as it is found": {`UPDATE approvals SET version = 3`, "found by another version", false},
		"what became of a request":           {`UPDATE approvals SET doc = replace(doc, '"state":"rejected"', '"state":"pending"'), state = 'pending' WHERE state = 'rejected'`, "is pending, and was made rejected", false},
		"why a request was rejected":         {`UPDATE approvals SET doc = json_set(doc, '$.outcome', 'never') WHERE state = 'rejected'`, "for another reason", false},
		"who voted":                          {`UPDATE approvals SET doc = replace(doc, '"actor":"bob"', '"actor":"dave"') WHERE state = 'pending'`, "the votes on request", false},
		"a vote that nobody gave":            {`UPDATE approvals SET doc = json_insert(doc, '$.votes[#]', json('{"actor":"dave","approved":true,"time":"2026-01-01T00:00:00Z"}')) WHERE state = 'pending'`, "the votes on request", false},
		"a vote turned round":                {`UPDATE approvals SET doc = replace(doc, '"approved":false', '"approved":true')`, "the votes on request", false},
		"a comment on a request":             {`UPDATE approvals SET doc = replace(doc, '"slow"', '"fast"')`, "the comments on request", false},
		"a request that is gone":             {`DELETE FROM approvals WHERE state = 'rejected'`, "is not there under the model's name", false},
		"a request that nobody made":         {`INSERT INTO approvals SELECT 'x', model, version, state, expires, json_set(doc, '$.id', 'x') FROM approvals WHERE state = 'pending'`, `request "x" is there`, false},
		"a request of another model":         {`UPDATE approvals SET doc = replace(doc, '"model":"fraud"', '"model":"another"'), model = 'another'`, "is there, and the model's history", false},
		"a request of a model that is not":   {`INSERT INTO approvals SELECT 'x', 'ghost', version, state, expires, json_set(doc, '$.id', 'x') FROM approvals WHERE state = 'pending'`, `approvals of model "ghost", which is not there`, true},
		"the model of a request's document":  {`UPDATE approvals SET doc = replace(doc, '"model":"fraud"', '"model":"another"')`, "found by another model", false},
		"the requests that wait":             {`UPDATE models SET doc = json_remove(doc, '$.pending') WHERE name = 'fraud'`, "the requests that wait", false},
		"what a request that waits is for":   {`UPDATE models SET doc = json_set(doc, '$.pending[0].version', 2) WHERE name = 'fraud'`, "the requests that wait", false},
		"a signature as it is looked up":     {`UPDATE facts SET semver = '' WHERE kind = 'signature' AND number = 2`, "signature of version 2 is found by another semver", false},
		"the release of a signature":         {`UPDATE facts SET doc = json_set(doc, '$.semver', '9.0.0') WHERE kind = 'signature' AND number = 2`, "kept as that of 9.0.0", false},
		"a row that is no document any more": {`UPDATE versions SET doc = '[' WHERE model = 'fraud' AND number = 2`, "row of version", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := t.Context()
			r, db := tamperable(t)
			for report, err := range r.VerifyAll(ctx) {
				require.NoError(t, err, report)
			}
			result, err := db.ExecContext(ctx, c.sql)
			require.NoError(t, err)
			changed, err := result.RowsAffected()
			require.NoError(t, err)
			require.NotZero(t, changed)
			found := ""
			for report, err := range r.VerifyAll(ctx) {
				if err != nil {
					require.ErrorIs(t, err, modelregistry.ErrCorrupt)
					require.NotEmpty(t, report.Problem)
					found += report.Problem + "\n"
				}
			}
			require.Contains(t, found, c.problem)
			if c.all {
				return
			}
			names := []string{"fraud", "another"}
			problems := ""
			for _, name := range names {
				if report, err := r.Verify(ctx, name); err != nil {
					require.ErrorIs(t, err, modelregistry.ErrCorrupt)
					problems += report.Problem
				}
			}
			require.Contains(t, problems, c.problem)
		})
	}
}
