package registrytest

import (
	"io/fs"

	"github.com/modelregistry-go/modelregistry"
)

var versionPromises = []promise{
	{"a patch changes what describes a version, and nothing else", updateVersion},
	{"a version that serves is not deleted unless forced, and its number is not used again", deleteVersion},
	{"a copy has the files and facts, no stage or alias, and says what it was made from", copyVersion},
	{"a copy keeps the semantic version where it is free", copySemver},
	{"what a registry returned does not change, and changing it changes nothing", snapshots},
	{"changes carry the name of who made them", actors},
}

func updateVersion(s *trial) {
	v := s.add("fraud", s.able(modelregistry.VersionSpec{
		Files: tree(map[string]string{"a": "1"}), Description: "old", Tags: map[string]string{"a": "1", "b": "2"}, Aliases: []string{"x"}, Semver: "1.0.0",
	}))
	s.promote("fraud", 1, production)
	got, err := s.r.UpdateVersion(s.ctx, "fraud", 1, modelregistry.VersionPatch{
		Description: ptr("new"), SetTags: map[string]string{"b": "3", "c": ""}, DeleteTags: []string{"a", "none"}, Reason: "tidy",
	})
	s.ok(err)
	equal(s, "as read", text(s.version("fraud", 1)), text(got))
	equal(s, "description", got.Description, "new")
	equal(s, "tags", text(got.Tags), `{"b":"3","c":""}`)
	equal(s, "stage", got.Stage, production)
	equal(s, "digest", got.Digest, v.Digest)
	equal(s, "aliases", got.Aliases.String(), "x")
	s.told(func() {
		last := s.events(modelregistry.EventQuery{Model: "fraud", Newest: true, Limit: 1})[0]
		equal(s, "event", last.Kind, modelregistry.VersionUpdated)
		equal(s, "tags before", string(last.Before["tags"]), `{"a":"1","b":"2"}`)
		equal(s, "tags after", string(last.After["tags"]), `{"b":"3","c":""}`)
		equal(s, "reason", last.Reason, "tidy")
	})
	before := s.state()
	_, err = s.r.UpdateVersion(s.ctx, "fraud", 1, modelregistry.VersionPatch{Description: ptr("new"), DeleteTags: []string{"none"}})
	s.ok(err)
	_, err = s.r.UpdateVersion(s.ctx, "fraud", 2, modelregistry.VersionPatch{})
	s.fails(err, modelregistry.ErrNotFound, "version 2")
	s.unchanged(before)
}

func deleteVersion(s *trial) {
	s.register("fraud", 3)
	s.promote("fraud", 3, production)
	s.promote("fraud", 2, staging)
	before := s.state()
	err := s.r.DeleteVersion(s.ctx, "fraud", 3, nil)
	equal(s, "stage of the conflict", s.conflict(err, 3).Stage, production)
	s.fails(err, modelregistry.ErrConflict, "force")
	s.unchanged(before)
	s.ok(s.r.DeleteVersion(s.ctx, "fraud", 2, &modelregistry.DeleteOptions{Reason: "failed the tests"}))
	s.fails(s.r.DeleteVersion(s.ctx, "fraud", 2, nil), modelregistry.ErrNotFound, "version 2")
	s.told(func() {
		last := s.events(modelregistry.EventQuery{Model: "fraud", Version: 2, Newest: true, Limit: 1})[0]
		equal(s, "event", last.Kind, modelregistry.VersionDeleted)
		equal(s, "reason", last.Reason, "failed the tests")
		equal(s, "holders in the event", text(last.Holders), `{"Staging":{"before":[2]}}`)
	})
	s.ok(s.r.DeleteVersion(s.ctx, "fraud", 3, &modelregistry.DeleteOptions{Force: true}))
	equal(s, "Production", s.names("models:/fraud/Production"), 0)
	equal(s, "next number", s.register("fraud", 1).Number, 4)
	for _, number := range []int{1, 4} {
		s.ok(s.r.DeleteVersion(s.ctx, "fraud", number, nil))
	}
	equal(s, "number after all were deleted", s.register("fraud", 1).Number, 5)
}

func copyVersion(s *trial) {
	v := s.add("fraud", s.able(modelregistry.VersionSpec{
		Files: tree(map[string]string{"a": "1", "b/c": "2"}), Semver: "1.0.0", Description: "d", Tags: map[string]string{"k": "v"},
		Params: map[string]string{"p": "1"}, Metrics: map[string]float64{"m": 0.5}, RunID: "run", Aliases: []string{"champion"},
	}))
	s.promote("fraud", 1, production)
	c, err := s.r.CopyVersion(s.ctx, "models:/fraud@champion", "serving", &modelregistry.ChangeOptions{Reason: "release"})
	s.ok(err)
	equal(s, "as read", text(s.version("serving", 1)), text(c))
	equal(s, "digest", c.Digest, v.Digest)
	equal(s, "size", c.Size, v.Size)
	equal(s, "files", c.FileCount, v.FileCount)
	equal(s, "description", c.Description, "d")
	equal(s, "tags", text(c.Tags), text(v.Tags))
	equal(s, "params", text(c.Params), text(v.Params))
	equal(s, "metrics", text(c.Metrics), text(v.Metrics))
	equal(s, "run", c.RunID, "run")
	equal(s, "stage", c.Stage, none)
	equal(s, "aliases", c.Aliases.Len(), 0)
	content, err := fs.ReadFile(s.r.Files(s.ctx, c), "b/c")
	s.ok(err)
	equal(s, "content", string(content), "2")
	if s.can("Lineage") {
		g, err := s.r.Lineage(s.ctx, version("serving", 1), nil)
		s.ok(err)
		equal(s, "edges", text(g.Edges), text([]modelregistry.Edge{edge(version("serving", 1), modelregistry.DerivedFrom, version("fraud", 1))}))
	}
	s.told(func() {
		equal(s, "reason", s.events(modelregistry.EventQuery{Model: "serving", Version: 1})[0].Reason, "release")
	})
	before := s.state()
	_, err = s.r.CopyVersion(s.ctx, "models:/none/1", "serving", nil)
	s.fails(err, modelregistry.ErrNotFound, `"none"`)
	s.unchanged(before)
	s.ok(s.r.DeleteVersion(s.ctx, "fraud", 1, &modelregistry.DeleteOptions{Force: true}))
	content, err = fs.ReadFile(s.r.Files(s.ctx, c), "a")
	s.ok(err)
	equal(s, "content after the original was deleted", string(content), "1")
}

func copySemver(s *trial) {
	s.add("fraud", modelregistry.VersionSpec{Semver: "1.2.3"})
	c, err := s.r.CopyVersion(s.ctx, "models:/fraud/1", "other", nil)
	s.ok(err)
	equal(s, "semantic version", c.Semver.String(), "1.2.3")
	c, err = s.r.CopyVersion(s.ctx, "models:/fraud/1", "other", nil)
	s.ok(err)
	equal(s, "semantic version where it is taken", c.Semver.String(), "")
	c, err = s.r.CopyVersion(s.ctx, "models:/fraud/1", "fraud", nil)
	s.ok(err)
	equal(s, "number in the same model", c.Number, 2)
	equal(s, "semantic version in the same model", c.Semver.String(), "")
}

func snapshots(s *trial) {
	s.register("fraud", 2)
	s.alias("fraud", "champion", 1)
	m, v := s.model("fraud"), s.version("fraud", 1)
	mText, vText := text(m), text(v)
	s.promote("fraud", 1, production)
	s.alias("fraud", "champion", 2)
	_, err := s.r.UpdateVersion(s.ctx, "fraud", 1, modelregistry.VersionPatch{SetTags: map[string]string{"a": "b"}})
	s.ok(err)
	equal(s, "model that was read before", text(m), mText)
	equal(s, "version that was read before", text(v), vText)
	before := s.state()
	for range 2 {
		for _, uri := range []string{"models:/fraud/1", "models:/fraud@champion", "models:/fraud/Production"} {
			v, err := s.r.Resolve(s.ctx, uri)
			s.ok(err)
			v.Stage, v.Number, v.Description = staging, 77, "changed"
		}
		m := s.model("fraud")
		m.Aliases["champion"] = 1
		m.Aliases["other"] = 9
		m.Holders[production][0] = 2
		m.Last = 100
		s.unchanged(before)
	}
}

func actors(s *trial) {
	s.register("fraud", 1)
	bob := s.r.As("bob")
	v, err := bob.Register(s.ctx, "fraud", modelregistry.VersionSpec{})
	s.ok(err)
	equal(s, "creator", v.CreatedBy, "bob")
	_, err = bob.Promote(s.ctx, "fraud", 1, production, nil)
	s.ok(err)
	_, err = s.r.As("").Promote(s.ctx, "fraud", 2, production, nil) // the default, as in Options
	s.ok(err)
	s.promote("fraud", 1, production)
	var who []string
	for _, e := range s.events(modelregistry.EventQuery{Model: "fraud"}) {
		who = append(who, e.Actor)
	}
	equal(s, "first actor", who[0], "ada")
	equal(s, "third actor", who[2], "bob")
	equal(s, "fourth actor", who[3], "bob")
	equal(s, "last actor", who[len(who)-1], "ada")
}
