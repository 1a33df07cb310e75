package registrytest

import (
	"github.com/modelregistry-go/modelregistry"
)

var modelPromises = []promise{
	{"a model is created once, with its description and tags", createModel},
	{"a patch changes what it names and leaves the rest", updateModel},
	{"a renamed model keeps its ID, versions, stages, aliases and history", renameModel},
	{"a model is not renamed to a name that is taken", renameTaken},
	{"a model that serves is not deleted unless forced", deleteModel},
	{"a model made anew under an old name is another model and starts at 1", anew},
	{"names are kept as they are, in any script", oddNames},
}

func createModel(s *trial) {
	m, err := s.r.CreateModel(s.ctx, "fraud", modelregistry.ModelSpec{
		Description: "who pays", Tags: map[string]string{"team": "risk", "empty": ""}, Reason: "audit",
	})
	s.ok(err)
	equal(s, "model as read", text(s.model("fraud")), text(m))
	equal(s, "name", m.Name, "fraud")
	equal(s, "description", m.Description, "who pays")
	equal(s, "tags", text(m.Tags), `{"empty":"","team":"risk"}`)
	if s.can("Actors") {
		equal(s, "creator", m.CreatedBy, "ada")
	}
	if m.ID == "" && s.can("IDs") || m.Created.IsZero() || !m.Created.Equal(m.Updated) {
		s.Fatalf("model %+v", m)
	}
	before := s.state()
	_, err = s.r.CreateModel(s.ctx, "fraud", modelregistry.ModelSpec{})
	s.fails(err, modelregistry.ErrExists, "fraud")
	s.unchanged(before)
	s.told(func() {
		equal(s, "events", kinds(s.events(modelregistry.EventQuery{Model: "fraud"})), "model.created")
	})
}

func updateModel(s *trial) {
	_, err := s.r.CreateModel(s.ctx, "fraud", modelregistry.ModelSpec{Description: "old", Tags: map[string]string{"a": "1", "b": "2"}})
	s.ok(err)
	m, err := s.r.UpdateModel(s.ctx, "fraud", modelregistry.ModelPatch{SetTags: map[string]string{"b": "3", "c": "4"}, DeleteTags: []string{"a", "none"}})
	s.ok(err)
	equal(s, "tags", text(m.Tags), `{"b":"3","c":"4"}`)
	equal(s, "description", m.Description, "old")
	m, err = s.r.UpdateModel(s.ctx, "fraud", modelregistry.ModelPatch{Description: ptr("")})
	s.ok(err)
	equal(s, "description", m.Description, "")
	equal(s, "model as read", text(s.model("fraud")), text(m))
	before := s.state()
	_, err = s.r.UpdateModel(s.ctx, "fraud", modelregistry.ModelPatch{SetTags: map[string]string{"b": "3"}})
	s.ok(err)
	s.unchanged(before) // a patch that says what is so already is no change
	_, err = s.r.UpdateModel(s.ctx, "none", modelregistry.ModelPatch{})
	s.fails(err, modelregistry.ErrNotFound, `"none"`)
}

func renameModel(s *trial) {
	v := s.add("old", s.able(modelregistry.VersionSpec{Files: tree(map[string]string{"a": "1"}), Aliases: []string{"best"}, Semver: "1.0.0"}))
	s.register("old", 2)
	s.promote("old", 2, modelregistry.Production)
	before := s.model("old")
	m, err := s.r.RenameModel(s.ctx, "old", "new", &modelregistry.ChangeOptions{Reason: "clearer"})
	s.ok(err)
	equal(s, "ID", m.ID, before.ID)
	equal(s, "name", m.Name, "new")
	_, err = s.r.Model(s.ctx, "old")
	s.fails(err, modelregistry.ErrNotFound, `"old"`)
	equal(s, "old alias", s.names("models:/old@best"), 0)
	equal(s, "old stage", s.names("models:/old/Production"), 0)
	equal(s, "alias", s.names("models:/new@best"), 1)
	equal(s, "stage", s.names("models:/new/Production"), 2)
	if s.can("Semver") {
		equal(s, "semantic version", s.names("models:/new/v1.0.0"), 1)
	}
	got := s.version("new", 1)
	equal(s, "model of the version", got.Model, "new")
	equal(s, "model ID of the version", got.ModelID, v.ModelID)
	equal(s, "digest", got.Digest, v.Digest)
	equal(s, "next number", s.register("new", 1).Number, 4)
	s.told(func() {
		equal(s, "first event", string(s.events(modelregistry.EventQuery{Model: "new"})[0].Kind), "model.created")
		equal(s, "event by the old name", string(s.events(modelregistry.EventQuery{Model: "old", Newest: true, Limit: 1})[0].Kind), "version.registered")
		report, err := s.r.Verify(s.ctx, "old")
		s.ok(err)
		equal(s, "model that the old name verifies", report.ModelID, m.ID)
	})

	state := s.state()
	_, err = s.r.RenameModel(s.ctx, "new", "new", nil)
	s.ok(err)
	s.unchanged(state)
	_, err = s.r.RenameModel(s.ctx, "new", "old", nil) // a name that was left is free
	s.ok(err)
	equal(s, "versions", s.names("models:/old/latest"), 4)
}

func renameTaken(s *trial) {
	s.register("a", 1)
	s.register("b", 2)
	before := s.state()
	_, err := s.r.RenameModel(s.ctx, "a", "b", nil)
	s.fails(err, modelregistry.ErrExists, `"b"`)
	_, err = s.r.RenameModel(s.ctx, "none", "c", nil)
	s.fails(err, modelregistry.ErrNotFound, `"none"`)
	s.unchanged(before)
}

func deleteModel(s *trial) {
	s.register("fraud", 2)
	s.promote("fraud", 1, modelregistry.Production)
	before := s.state()
	err := s.r.DeleteModel(s.ctx, "fraud", nil)
	s.conflict(err, 1)
	s.fails(err, modelregistry.ErrConflict, "force")
	s.unchanged(before)
	_, err = s.r.Transition(s.ctx, "fraud", 1, modelregistry.Archived, nil)
	s.ok(err)
	s.alias("fraud", "best", 2)
	s.conflict(s.r.DeleteModel(s.ctx, "fraud", nil), 2)
	_, err = s.r.DeleteAlias(s.ctx, "fraud", "best", nil)
	s.ok(err)
	_, err = s.r.Transition(s.ctx, "fraud", 2, modelregistry.Staging, nil)
	s.ok(err)
	s.ok(s.r.DeleteModel(s.ctx, "fraud", nil)) // Staging does not serve
	s.fails(s.r.DeleteModel(s.ctx, "fraud", nil), modelregistry.ErrNotFound, `"fraud"`)
	_, err = s.r.Version(s.ctx, "fraud", 1)
	s.fails(err, modelregistry.ErrNotFound, "fraud")
	s.told(func() {
		equal(s, "last event", string(s.events(modelregistry.EventQuery{Model: "fraud", Newest: true, Limit: 1})[0].Kind), "model.deleted")
	})

	s.register("other", 1)
	s.promote("other", 1, modelregistry.Production)
	s.ok(s.r.DeleteModel(s.ctx, "other", &modelregistry.DeleteOptions{Force: true, Reason: "law"}))
	s.told(func() {
		equal(s, "reason", s.events(modelregistry.EventQuery{Model: "other", Newest: true, Limit: 1})[0].Reason, "law")
	})
	equal(s, "Production", s.names("models:/other/Production"), 0)
}

func anew(s *trial) {
	first := s.add("fraud", s.able(modelregistry.VersionSpec{Semver: "3.0.0", Aliases: []string{"best"}, Files: tree(map[string]string{"a": "first"})}))
	s.register("fraud", 1)
	s.ok(s.r.DeleteModel(s.ctx, "fraud", &modelregistry.DeleteOptions{Force: true}))
	equal(s, "alias of the deleted", s.names("models:/fraud@best"), 0)
	second := s.add("fraud", s.able(modelregistry.VersionSpec{Bump: modelregistry.BumpMinor}))
	equal(s, "number", second.Number, 1)
	if s.can("Semver") {
		equal(s, "semantic version", second.Semver.String(), "1.0.0")
	}
	if first.ModelID == second.ModelID && s.can("IDs") {
		s.Fatalf("the model made anew has the ID of the deleted one, %s", first.ModelID)
	}
	m := s.model("fraud")
	equal(s, "aliases", len(m.Aliases), 0)
	equal(s, "last number", m.Last, 1)
	s.told(func() {
		equal(s, "events by name", kinds(s.events(modelregistry.EventQuery{Model: "fraud"})), "model.created version.registered")
		equal(s, "events of the deleted", kinds(s.events(modelregistry.EventQuery{ModelID: first.ModelID})),
			"model.created version.registered alias.set version.registered version.deleted version.deleted model.deleted")
	})
}

func oddNames(s *trial) {
	for _, name := range []string{"a", "Fraud", "fraud", " padded ", "fraud 2", "ünïcode", "模型", "👍", "a@b", "a'b", `a"b`, "a`b", `a\b`, "a.b", "-", "a_b", "a%b", "a%2Fb", "\u00e9", "e\u0301", "select", "NULL", "a?b#c"} {
		v := s.register(name, 1)
		equal(s, "number of the first version of "+name, v.Number, 1)
		equal(s, "name", s.model(name).Name, name)
		equal(s, "version", s.version(name, 1).Model, name)
	}
	var names []string
	for m, err := range s.r.Models(s.ctx, modelregistry.Query{PageSize: 3}) {
		s.ok(err)
		names = append(names, m.Name)
	}
	for i := 1; i < len(names); i++ {
		if names[i-1] >= names[i] {
			s.Fatalf("models are not in byte order: %q before %q", names[i-1], names[i])
		}
	}
}
