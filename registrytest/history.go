package registrytest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/modelregistry-go/modelregistry"
)

var historyPromises = []promise{
	{"every change has its events", everyChange},
	{"events are selected by model, version, alias, time and count", eventQueries},
	{"a change without an effect has no event", noEvent},
	{"Follow gives what was and what comes, in order, from any cursor", follow},
	{"Follow ends with its context, without an error", followEnd},
	{"a cursor of now misses nothing that comes", followNow},
	{"cursors that are damaged, or that Follow could miss something behind, are refused at once", badCursors},
	{"Verify finds the history of every model whole", verify},
	{"VerifyAll reaches every history, of what was deleted and of lineage too", verifyAll},
	{"a checkpoint holds for what was then, and shows what was taken away or rewritten", checkpoints},
	{"times never fall, also when the clock goes back or stands still", clockBack},
}

func everyChange(s *trial) {
	created := "model.created version.registered"
	for _, c := range []struct {
		kinds  string
		change func() error
	}{
		{"model.created", func() error { _, err := s.r.CreateModel(s.ctx, "a", modelregistry.ModelSpec{}); return err }},
		{created, func() error { _, err := s.r.Register(s.ctx, "b", modelregistry.VersionSpec{}); return err }},
		{"version.registered alias.set", func() error {
			_, err := s.r.Register(s.ctx, "b", modelregistry.VersionSpec{Aliases: []string{"x"}})
			return err
		}},
		{"version.registered alias.moved alias.set", func() error {
			_, err := s.r.Register(s.ctx, "b", modelregistry.VersionSpec{Aliases: []string{"x"}})
			return err
		}},
		{"model.updated", func() error {
			_, err := s.r.UpdateModel(s.ctx, "b", modelregistry.ModelPatch{Description: ptr("d")})
			return err
		}},
		{"version.updated", func() error {
			_, err := s.r.UpdateVersion(s.ctx, "b", 1, modelregistry.VersionPatch{SetTags: map[string]string{"a": "b"}})
			return err
		}},
		{"stage.changed", func() error { _, err := s.r.Promote(s.ctx, "b", 1, production, nil); return err }},
		{"stage.changed stage.changed", func() error { _, err := s.r.Promote(s.ctx, "b", 2, production, nil); return err }},
		{"stage.rolledback stage.rolledback", func() error { _, err := s.r.Rollback(s.ctx, "b", production, nil); return err }},
		{"stage.changed", func() error { _, err := s.r.Transition(s.ctx, "b", 1, none, nil); return err }},
		{"alias.set", func() error { _, err := s.r.SetAlias(s.ctx, "b", "y", 1, nil); return err }},
		{"alias.moved alias.set", func() error { _, err := s.r.SetAlias(s.ctx, "b", "y", 2, nil); return err }},
		{"alias.deleted", func() error { _, err := s.r.DeleteAlias(s.ctx, "b", "y", nil); return err }},
		{"lineage.linked", func() error { return s.r.Link(s.ctx, nil, edge(version("b", 2), "trained-on", dataset("d"))) }},
		{"lineage.linked", func() error { return s.r.Link(s.ctx, nil, edge(dataset("d"), "made-from", dataset("e"))) }},
		{created, func() error { _, err := s.r.CopyVersion(s.ctx, "models:/b/1", "c", nil); return err }},
		{"model.renamed", func() error { _, err := s.r.RenameModel(s.ctx, "b", "d", nil); return err }},
		{"version.deleted", func() error { return s.r.DeleteVersion(s.ctx, "d", 1, nil) }},
		{"alias.deleted version.deleted", func() error {
			return s.r.DeleteVersion(s.ctx, "d", 3, &modelregistry.DeleteOptions{Force: true})
		}},
		{"version.deleted model.deleted", func() error { return s.r.DeleteModel(s.ctx, "d", nil) }},
	} {
		before := len(s.events(modelregistry.EventQuery{}))
		s.ok(c.change())
		events := s.events(modelregistry.EventQuery{})[before:]
		equal(s, "events", kinds(events), c.kinds)
		for _, e := range events {
			if e.Actor != "ada" || e.ModelID == "" || !e.Time.Equal(events[0].Time) {
				s.Fatalf("event %s", text(e))
			}
		}
	}
}

func eventQueries(s *trial) {
	s.register("a", 2)
	s.register("b", 1)
	s.alias("a", "x", 1)
	s.promote("a", 2, production)
	all := s.events(modelregistry.EventQuery{})
	equal(s, "all", kinds(all), "model.created version.registered version.registered model.created version.registered alias.set stage.changed")
	id := s.model("a").ID
	for _, c := range []struct {
		q    modelregistry.EventQuery
		want string
	}{
		{modelregistry.EventQuery{Model: "b"}, "model.created version.registered"},
		{modelregistry.EventQuery{ModelID: id, Newest: true, Limit: 2}, "stage.changed alias.set"},
		{modelregistry.EventQuery{Model: "a", ModelID: id, Version: 1}, "version.registered alias.set"},
		{modelregistry.EventQuery{Model: "a", Version: 2}, "version.registered stage.changed"},
		{modelregistry.EventQuery{Model: "a", Alias: "x"}, "alias.set"},
		{modelregistry.EventQuery{Model: "a", Since: all[5].Time}, "alias.set stage.changed"},
		{modelregistry.EventQuery{Model: "a", Until: all[2].Time}, "model.created version.registered version.registered"},
		{modelregistry.EventQuery{Model: "a", Since: all[2].Time, Until: all[5].Time}, "version.registered alias.set"},
		{modelregistry.EventQuery{Since: all[6].Time.Add(time.Hour)}, ""},
		{modelregistry.EventQuery{Limit: 1}, "model.created"},
		{modelregistry.EventQuery{Newest: true, Limit: 1}, "stage.changed"},
		{modelregistry.EventQuery{Model: "a", Version: 7}, ""},
	} {
		equal(s, fmt.Sprintf("events of %+v", c.q), kinds(s.events(c.q)), c.want)
	}
}

func noEvent(s *trial) {
	s.register("a", 1)
	s.promote("a", 1, production)
	s.alias("a", "x", 1)
	s.ok(s.r.Link(s.ctx, nil, edge(version("a", 1), "trained-on", dataset("d"))))
	before := s.state()
	s.promote("a", 1, production)
	s.alias("a", "x", 1)
	s.ok(s.r.Link(s.ctx, nil, edge(version("a", 1), "trained-on", dataset("d"))))
	s.ok(s.r.Link(s.ctx, nil))
	_, err := s.r.Transition(s.ctx, "a", 1, production, &modelregistry.TransitionOptions{Keep: true})
	s.ok(err)
	_, err = s.r.UpdateModel(s.ctx, "a", modelregistry.ModelPatch{})
	s.ok(err)
	s.unchanged(before)
}

func follow(s *trial) {
	s.register("a", 3)
	all := s.events(modelregistry.EventQuery{})
	ctx, cancel := context.WithTimeout(s.ctx, time.Minute)
	defer cancel()
	next, stop := iter.Pull2(s.r.Follow(ctx, ""))
	defer stop()
	var cursors []string // of what was followed
	expect := func(want *modelregistry.Event) {
		s.Helper()
		e, err, ok := next()
		if !ok {
			s.Fatal("Follow ended")
		}
		s.ok(err)
		equal(s, "event", text(e)+e.Hash, text(want)+want.Hash)
		cursors = append(cursors, e.Cursor)
	}
	for _, e := range all {
		expect(e)
	}
	s.promote("a", 1, production)
	s.promote("a", 2, production)
	events := s.events(modelregistry.EventQuery{})
	for _, e := range events[len(all):] {
		expect(e)
	}
	for i, cursor := range cursors[:len(cursors)-1] {
		for got, err := range s.r.Follow(ctx, cursor) {
			s.ok(err)
			equal(s, "event behind a cursor", got.Cursor, cursors[i+1])
			break
		}
		for got, err := range s.r.Events(ctx, modelregistry.EventQuery{After: cursor}) {
			s.ok(err)
			equal(s, "event behind a cursor of Follow", got.Hash, events[i+1].Hash)
			break
		}
	}
}

// followNow follows from a cursor that was taken amid the changes of others, and is told of all that came later.
func followNow(s *trial) {
	empty, err := s.r.Cursor(s.ctx)
	s.ok(err)
	equal(s, "cursor of an empty registry", empty, "")
	s.ok(errors.Join(together(6, func(i int) error {
		var later []string
		cursor := ""
		for n := range 8 {
			name := fmt.Sprintf("w%d-%d", i, n)
			if _, err := s.r.CreateModel(s.ctx, name, modelregistry.ModelSpec{}); err != nil {
				return err
			}
			if n > i {
				later = append(later, name)
			}
			if n == i {
				var err error
				if cursor, err = s.r.Cursor(s.ctx); err != nil {
					return err
				}
			}
		}
		return s.follows(cursor, later...)
	})...))
}

// badCursors are refused at once: what is not as it was given, and what an event may still appear before.
func badCursors(s *trial) {
	s.register("a", 3)
	ctx, cancel := context.WithTimeout(s.ctx, time.Minute)
	defer cancel()
	var good string
	for e, err := range s.r.Follow(ctx, "") {
		s.ok(err)
		if good = e.Cursor; e.Seq == 2 {
			break
		}
	}
	seen := s.events(modelregistry.EventQuery{Newest: true, Limit: 1})[0].Cursor
	followed := func(cursor string) error {
		for e, err := range s.r.Follow(ctx, cursor) {
			if err == nil {
				return fmt.Errorf("event %s", text(e))
			}
			return err
		}
		return errors.New("following ended")
	}
	s.fails(followed(seen), modelregistry.ErrInvalid, "Registry.Cursor")
	for _, c := range []string{good, seen} {
		for _, bad := range []string{"x", c[1:], c[:len(c)-1], c + "0", "0" + c, strings.ToUpper(c) + " ", strings.Repeat("7", 65), "\x00", "é",
			c[:len(c)/2] + "~" + c[len(c)/2+1:], string(c[0]+1) + c[1:]} {
			s.fails(followed(bad), modelregistry.ErrInvalid, "cursor")
			for _, err := range s.r.Events(ctx, modelregistry.EventQuery{After: bad}) {
				s.fails(err, modelregistry.ErrInvalid, "cursor")
			}
		}
	}
	other := s.open(nil) // of another registry, which is behind
	for _, err := range other.Follow(ctx, good) {
		s.fails(err, modelregistry.ErrInvalid, "another registry")
		break
	}
}

func followEnd(s *trial) {
	s.register("a", 1)
	ctx, cancel := context.WithCancel(s.ctx)
	count := 0
	for _, err := range s.r.Follow(ctx, "") {
		s.ok(err)
		if count++; count == 2 {
			cancel() // the loop waits for more, and ends
		}
	}
	cancel()
	equal(s, "events", count, 2)
}

func verify(s *trial) {
	s.register("a", 2)
	s.promote("a", 1, production)
	report, err := s.r.Verify(s.ctx, "a")
	s.ok(err)
	newest := func() modelregistry.Head {
		e := s.events(modelregistry.EventQuery{Model: "a", Newest: true, Limit: 1})[0]
		return modelregistry.Head{ModelID: e.ModelID, Model: "a", Seq: e.Seq, Hash: e.Hash, Time: e.Time}
	}
	equal(s, "report", text(report), text(modelregistry.VerifyReport{Head: newest(), Events: 4, Versions: 2}))
	id := report.ModelID
	s.ok(s.r.DeleteModel(s.ctx, "a", &modelregistry.DeleteOptions{Force: true}))
	report, err = s.r.Verify(s.ctx, "a")
	s.ok(err)
	gone := modelregistry.VerifyReport{Head: newest(), Events: 7}
	equal(s, "report of the deleted", text(report), text(gone))
	s.register("a", 1)
	report, err = s.r.Verify(s.ctx, "a")
	s.ok(err)
	equal(s, "events of the one made anew", report.Events, 2)
	report, err = s.r.Verify(s.ctx, "id:"+id)
	s.ok(err)
	equal(s, "report of the one whose name was made anew", text(report), text(gone))
	for _, none := range []string{"none", "id:none", "id:", modelregistry.LineageHistory} {
		_, err = s.r.Verify(s.ctx, none)
		s.fails(err, modelregistry.ErrNotFound, none)
	}
	many := make([]string, 600) // events: more than a page
	for i := range many {
		many[i] = fmt.Sprintf("x-%d", i)
	}
	s.add("a", modelregistry.VersionSpec{Aliases: many})
	report, err = s.r.Verify(s.ctx, "a")
	s.ok(err)
	equal(s, "events", report.Events, 603)
}

// verifyAll verifies histories that no name leads to any more, too.
func verifyAll(s *trial) {
	s.register("a", 1)
	s.register("b", 2)
	first := s.model("a").ID
	s.ok(s.r.DeleteModel(s.ctx, "a", nil))
	s.register("a", 1)
	_, err := s.r.RenameModel(s.ctx, "b", "c", nil)
	s.ok(err)
	ids := []string{first, s.model("a").ID, s.model("c").ID}
	if s.can("Lineage") {
		s.ok(s.r.Link(s.ctx, nil, edge(dataset("x"), "derived-from", dataset("y"))))
		report, err := s.r.Verify(s.ctx, modelregistry.LineageHistory)
		s.ok(err)
		equal(s, "events of lineage", report.Events, 1)
		ids = append(ids, report.ModelID)
	}
	var seen []string
	for report, err := range s.r.VerifyAll(s.ctx) {
		s.ok(err)
		seen = append(seen, report.ModelID)
	}
	equal(s, "histories", sorted(seen), sorted(ids))
	for range s.r.VerifyAll(s.ctx) {
		break
	}
}

func sorted(list []string) string { return text(slices.Sorted(slices.Values(list))) }

// checkpoints hold for what was then, however much came since.
func checkpoints(s *trial) {
	s.register("a", 2)
	s.register("b", 1)
	all, err := s.r.Checkpoint(s.ctx)
	s.ok(err)
	equal(s, "histories", len(all.Heads), 2)
	one, err := s.r.Checkpoint(s.ctx, "a")
	s.ok(err)
	e := s.events(modelregistry.EventQuery{Model: "a", Newest: true, Limit: 1})[0]
	equal(s, "head", text(one.Heads), text([]modelregistry.Head{{ModelID: e.ModelID, Model: "a", Seq: e.Seq, Hash: e.Hash, Time: e.Time}}))
	_, err = s.r.Checkpoint(s.ctx, "a", "none")
	s.fails(err, modelregistry.ErrNotFound, "none")
	_, err = s.r.Checkpoint(s.ctx, "id:none")
	s.fails(err, modelregistry.ErrNotFound, "none")

	s.promote("a", 1, production)
	s.ok(s.r.DeleteModel(s.ctx, "b", nil))
	s.register("c", 1)
	for _, err := range s.r.VerifyAll(s.ctx, all, one, nil) {
		s.ok(err)
	}
	report, err := s.r.Verify(s.ctx, "a", one, all)
	s.ok(err)
	equal(s, "events", report.Events, 4)

	// A registry that was restored to an older state, or that never saw what the checkpoint did, does not hold.
	forged := modelregistry.Checkpoint{Taken: one.Taken, Heads: slices.Clone(one.Heads)}
	forged.Heads[0].Hash = strings.Repeat("0", 64)
	report, err = s.r.Verify(s.ctx, "a", &forged)
	s.fails(err, modelregistry.ErrCorrupt, "checkpoint")
	equal(s, "broken event", report.Broken.Seq, e.Seq)
	forged.Heads[0] = modelregistry.Head{ModelID: e.ModelID, Seq: 9, Hash: e.Hash}
	report, err = s.r.Verify(s.ctx, "a", &forged)
	s.fails(err, modelregistry.ErrCorrupt, "event 9")
	equal(s, "events that are right", report.Events, 4)
	var missing []string
	forged.Heads = append(forged.Heads, modelregistry.Head{ModelID: "nobody", Seq: 1, Hash: e.Hash})
	for report, err := range s.r.VerifyAll(s.ctx, &forged) {
		if err != nil {
			s.fails(err, modelregistry.ErrCorrupt, "checkpoint")
			missing = append(missing, report.ModelID)
		}
	}
	equal(s, "histories that lack what the checkpoint saw", sorted(missing), sorted([]string{"nobody", e.ModelID}))
}

func clockBack(s *trial) {
	s.register("a", 2)
	s.clock.set(epoch.Add(-time.Hour), 0)
	s.promote("a", 1, production)
	s.promote("a", 2, production)
	s.rollback("a", production)
	s.alias("a", "x", 1)
	s.alias("a", "x", 2)
	s.register("b", 1)
	s.ok(s.r.DeleteModel(s.ctx, "b", nil))
	s.register("b", 1)
	_, err := s.r.RenameModel(s.ctx, "b", "c", nil)
	s.ok(err)
	s.register("b", 1)
	s.ok(s.r.Link(s.ctx, nil, edge(dataset("d"), "made-from", dataset("e"))))
	events := s.events(modelregistry.EventQuery{Model: "a"})
	for i := 1; i < len(events); i++ {
		if events[i].Time.Before(events[i-1].Time) {
			s.Fatalf("event %d is at %v, the one before it at %v", events[i].Seq, events[i].Time, events[i-1].Time)
		}
	}
	s.clock.set(epoch.Add(time.Hour), time.Millisecond)
	s.promote("a", 2, production)
	equal(s, "restored", s.rollback("a", production).Version.Number, 1)
}
