package registrytest

import (
	"fmt"

	"github.com/modelregistry-go/modelregistry"
)

var aliasPromises = []promise{
	{"an alias moves, and says whom it named", setAlias},
	{"an alias moves only if it names the expected version", aliasExpecting},
	{"an alias is deleted once", deleteAlias},
	{"an alias never points at nothing", aliasOfDeleted},
	{"aliases of several models do not meet, and are told apart by case", aliasScopes},
	{"an alias set anew to the same version changes nothing", aliasAgain},
	{"the history of an alias tells every version that it named", aliasHistory},
}

func setAlias(s *trial) {
	s.register("fraud", 2)
	equal(s, "previous", s.alias("fraud", "champion", 1), 0)
	equal(s, "previous", s.alias("fraud", "blue", 1), 0)
	equal(s, "aliases", s.version("fraud", 1).Aliases.String(), "blue, champion")
	equal(s, "previous", s.alias("fraud", "champion", 2), 1)
	equal(s, "aliases", s.version("fraud", 1).Aliases.String(), "blue")
	equal(s, "aliases", s.version("fraud", 2).Aliases.String(), "champion")
	equal(s, "aliases of the model", text(s.model("fraud").Aliases), `{"blue":1,"champion":2}`)
	equal(s, "resolved", s.names("models:/fraud@champion"), 2)
	for i := range 20 {
		s.alias("fraud", fmt.Sprintf("a-%d", i), 1+i%2)
	}
	equal(s, "aliases of the model", len(s.model("fraud").Aliases), 22)
}

func aliasExpecting(s *trial) {
	s.register("fraud", 3)
	set := func(number, expect int) error {
		_, err := s.r.SetAlias(s.ctx, "fraud", "champion", number, &modelregistry.AliasOptions{IfCurrent: &expect})
		return err
	}
	before := s.state()
	s.conflict(set(1, 2))
	s.unchanged(before)
	s.ok(set(1, 0))
	before = s.state()
	for _, wrong := range []int{0, 2, 3, 99} {
		err := set(2, wrong)
		equal(s, "alias of the conflict", s.conflict(err, 1).Alias, "champion")
		s.fails(err, modelregistry.ErrConflict, "version 1")
	}
	_, err := s.r.DeleteAlias(s.ctx, "fraud", "champion", &modelregistry.AliasOptions{IfCurrent: ptr(2)})
	s.conflict(err, 1)
	s.unchanged(before)
	s.ok(set(2, 1))
	_, err = s.r.DeleteAlias(s.ctx, "fraud", "champion", &modelregistry.AliasOptions{IfCurrent: ptr(2)})
	s.ok(err)
}

func deleteAlias(s *trial) {
	s.register("fraud", 1)
	s.alias("fraud", "champion", 1)
	previous, err := s.r.DeleteAlias(s.ctx, "fraud", "champion", &modelregistry.AliasOptions{Reason: "retired"})
	s.ok(err)
	equal(s, "previous", previous, 1)
	equal(s, "resolved", s.names("models:/fraud@champion"), 0)
	equal(s, "aliases", s.version("fraud", 1).Aliases.Len(), 0)
	s.told(func() {
		last := s.events(modelregistry.EventQuery{Model: "fraud", Newest: true, Limit: 1})[0]
		equal(s, "event", last.Kind, modelregistry.AliasDeleted)
		equal(s, "reason", last.Reason, "retired")
	})
	before := s.state()
	_, err = s.r.DeleteAlias(s.ctx, "fraud", "champion", nil)
	s.fails(err, modelregistry.ErrNotFound, `"champion"`)
	s.unchanged(before)
}

func aliasOfDeleted(s *trial) {
	s.register("fraud", 2)
	before := s.state()
	_, err := s.r.SetAlias(s.ctx, "fraud", "champion", 3, nil)
	s.fails(err, modelregistry.ErrNotFound, "version 3")
	_, err = s.r.SetAlias(s.ctx, "none", "champion", 1, nil)
	s.fails(err, modelregistry.ErrNotFound, `"none"`)
	s.unchanged(before)
	s.alias("fraud", "champion", 1)
	s.alias("fraud", "blue", 1)
	before = s.state()
	s.conflict(s.r.DeleteVersion(s.ctx, "fraud", 1, nil), 1)
	s.unchanged(before)
	s.ok(s.r.DeleteVersion(s.ctx, "fraud", 1, &modelregistry.DeleteOptions{Force: true}))
	equal(s, "resolved", s.names("models:/fraud@champion"), 0)
	equal(s, "aliases of the model", len(s.model("fraud").Aliases), 0)
	equal(s, "previous", s.alias("fraud", "champion", 2), 0)
}

func aliasScopes(s *trial) {
	s.register("a", 1)
	s.register("b", 2)
	s.alias("a", "champion", 1)
	s.alias("b", "champion", 2)
	s.alias("b", "Champion", 1)
	equal(s, "a@champion", s.names("models:/a@champion"), 1)
	equal(s, "b@champion", s.names("models:/b@champion"), 2)
	equal(s, "b@Champion", s.names("models:/b@Champion"), 1)
	equal(s, "a@Champion", s.names("models:/a@Champion"), 0)
}

func aliasAgain(s *trial) {
	s.register("fraud", 1)
	s.alias("fraud", "champion", 1)
	before := s.state()
	equal(s, "previous", s.alias("fraud", "champion", 1), 1)
	s.unchanged(before)
}

func aliasHistory(s *trial) {
	s.register("fraud", 3)
	for _, number := range []int{1, 3, 2} {
		s.alias("fraud", "champion", number)
		s.alias("fraud", "other", number)
	}
	_, err := s.r.DeleteAlias(s.ctx, "fraud", "champion", nil)
	s.ok(err)
	var told []string
	for _, e := range s.events(modelregistry.EventQuery{Model: "fraud", Alias: "champion"}) {
		told = append(told, fmt.Sprintf("%s %d", e.Kind, e.Version))
	}
	equal(s, "events", text(told), text([]string{
		"alias.set 1", "alias.moved 1", "alias.set 3", "alias.moved 3", "alias.set 2", "alias.deleted 2",
	}))
}
