package registrytest

import (
	"fmt"
	"io/fs"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/modelregistry-go/modelregistry"
)

var pastPromises = []promise{
	{"At answers what Resolve answered then", pastAnswers},
	{"what was deleted is still found in the past, with its files", pastDeleted},
	{"before its beginning there was nothing", pastBefore},
	{"two changes in one instant count as the later one", pastInstant},
}

// A moment is what URIs answered between two changes.
type moment struct {
	time    time.Time
	change  string
	answers map[string]string
}

func pastAnswers(s *trial) {
	seed := rand.Uint64()
	s.Logf("seed %d", seed)
	l := &life{trial: s, rnd: rand.New(rand.NewPCG(seed, 0))}
	var moments []moment
	for range 45 {
		change := l.live()
		newest := s.events(modelregistry.EventQuery{Newest: true, Limit: 1})
		if len(newest) == 0 {
			continue
		}
		m := moment{newest[0].Time, change, l.ask(s.r)}
		if n := len(moments); n > 0 && !m.time.After(moments[n-1].time) {
			moments = moments[:n-1] // nothing happened, or the clock is too coarse to tell the two apart
		}
		moments = append(moments, m)
	}
	for i, m := range moments {
		at := m.time
		if i+1 < len(moments) { // anywhere until the next change
			at = at.Add(time.Duration(l.rnd.Int64N(int64(moments[i+1].time.Sub(at)))))
		}
		for uri, now := range l.ask(s.r.At(at)) {
			if then := m.answers[uri]; then != now {
				s.Errorf("%s at %v, after %q\nanswered then %s\n      At says %s", uri, at, m.change, then, now)
			}
		}
		if s.Failed() {
			var story []string
			for _, m := range moments[:i+1] {
				story = append(story, m.change)
			}
			s.Fatalf("the changes were\n%s", strings.Join(story, "\n"))
		}
	}
}

// A life is random changes.
type life struct {
	*trial
	rnd *rand.Rand
}

func (l *life) one(of ...string) string { return of[l.rnd.IntN(len(of))] }

// live makes one change, or tries to, and says what it was.
func (l *life) live() string {
	model, number := l.one("a", "b"), 1+l.rnd.IntN(4)
	stage := modelregistry.Stages()[l.rnd.IntN(4)]
	force := &modelregistry.DeleteOptions{Force: l.rnd.IntN(2) == 0}
	var did string
	var err error
	switch l.rnd.IntN(14) {
	case 0, 1, 2, 3:
		spec := modelregistry.VersionSpec{Description: fmt.Sprint(l.rnd.IntN(100))}
		if l.rnd.IntN(2) == 0 {
			spec.Bump = modelregistry.Bump(l.one("minor", "patch", "major"))
		}
		if l.rnd.IntN(2) == 0 {
			spec.Aliases = []string{l.one("x", "y")}
		}
		if l.rnd.IntN(2) == 0 {
			spec.Files = tree(map[string]string{"a": l.one("1", "2")})
		}
		did = fmt.Sprintf("register %s %s%v", model, spec.Bump, spec.Aliases)
		_, err = l.r.Register(l.ctx, model, spec)
	case 4, 5:
		did = fmt.Sprintf("promote %s/%d", model, number)
		_, err = l.r.Promote(l.ctx, model, number, modelregistry.Stage(l.one("Production", "Staging")), nil)
	case 6:
		did = fmt.Sprintf("move %s/%d to %s", model, number, stage)
		_, err = l.r.Transition(l.ctx, model, number, stage, &modelregistry.TransitionOptions{Keep: l.rnd.IntN(2) == 0})
	case 7:
		did = "roll back " + model
		_, err = l.r.Rollback(l.ctx, model, modelregistry.Stage(l.one("Production", "Staging")), nil)
	case 8, 9:
		did = fmt.Sprintf("set alias of %s/%d", model, number)
		_, err = l.r.SetAlias(l.ctx, model, l.one("x", "y"), number, nil)
	case 10:
		did = "delete alias of " + model
		_, err = l.r.DeleteAlias(l.ctx, model, l.one("x", "y"), nil)
	case 11:
		did = fmt.Sprintf("describe %s/%d", model, number)
		_, err = l.r.UpdateVersion(l.ctx, model, number, modelregistry.VersionPatch{SetTags: map[string]string{"t": fmt.Sprint(l.rnd.IntN(9))}})
	case 12:
		if l.rnd.IntN(3) > 0 {
			did = fmt.Sprintf("delete %s/%d %+v", model, number, *force)
			err = l.r.DeleteVersion(l.ctx, model, number, force)
			break
		}
		did = fmt.Sprintf("delete %s %+v", model, *force)
		err = l.r.DeleteModel(l.ctx, model, force)
	case 13:
		name := l.one("c", model) // back and forth, so that a and b stay in use
		did = "rename " + name
		_, err = l.r.RenameModel(l.ctx, name, l.one("a", "b", "c"), nil)
	}
	if err != nil {
		did += ": " + err.Error()
	}
	return did
}

// ask resolves every form of URI.
func (l *life) ask(r modelregistry.Resolver) map[string]string {
	answers := map[string]string{}
	for _, model := range []string{"a", "b", "c"} {
		for _, rest := range []string{"/1", "/2", "/4", "/latest", "/None", "/Staging", "/Production", "/Archived", "@x", "@y", "/v1.0.0", "/^1", "@" + treeDigest} {
			uri := "models:/" + model + rest
			v, err := r.Resolve(l.ctx, uri)
			switch {
			case err == nil:
				answers[uri] = text(v)
			default:
				l.fails(err, modelregistry.ErrNotFound, "")
				answers[uri] = "not found"
			}
		}
	}
	return answers
}

// treeDigest is the digest of a version with one file, a, that holds 1.
const treeDigest = "sha256:976fe6744170d45131c5d29c36774a5a8c6fc73af98cef576e97e203beef8bbb"

func pastDeleted(s *trial) {
	v := s.add("fraud", modelregistry.VersionSpec{Files: tree(map[string]string{"a": "1"}), Description: "d", Aliases: []string{"x"}, Metrics: map[string]float64{"m": 1}})
	s.promote("fraud", 1, production)
	was, err := s.r.Resolve(s.ctx, "models:/fraud/Production")
	s.ok(err)
	at := s.events(modelregistry.EventQuery{Newest: true, Limit: 1})[0].Time
	_, err = s.r.RenameModel(s.ctx, "fraud", "scam", nil)
	s.ok(err)
	s.ok(s.r.DeleteModel(s.ctx, "scam", &modelregistry.DeleteOptions{Force: true}))
	s.register("fraud", 3)
	for _, uri := range []string{"models:/fraud/Production", "models:/fraud/1", "models:/fraud@x", "models:/fraud/latest", "models:/fraud@" + v.Digest} {
		then, err := s.r.At(at).Resolve(s.ctx, uri)
		s.ok(err)
		equal(s, uri, text(then), text(was))
	}
	then, err := s.r.At(at).Resolve(s.ctx, "models:/fraud/1")
	s.ok(err)
	content, err := fs.ReadFile(s.r.At(at).Files(s.ctx, then), "a") // no sweep came
	s.ok(err)
	equal(s, "content", string(content), "1")
	_, err = s.r.At(at).Resolve(s.ctx, "models:/scam/1")
	s.fails(err, modelregistry.ErrNotFound, "scam")
	_, err = s.r.At(at).Resolve(s.ctx, "models:/fraud/1@sha256:"+strings.Repeat("0", 64))
	s.fails(err, modelregistry.ErrCorrupt, "digest")
}

func pastBefore(s *trial) {
	s.register("fraud", 1)
	s.promote("fraud", 1, production)
	first := s.events(modelregistry.EventQuery{})[0].Time
	for _, at := range []time.Time{first.Add(-time.Microsecond), first.AddDate(-50, 0, 0)} {
		for _, uri := range []string{"models:/fraud/1", "models:/fraud/Production", "models:/fraud/latest"} {
			_, err := s.r.At(at).Resolve(s.ctx, uri)
			s.fails(err, modelregistry.ErrNotFound, "fraud")
		}
	}
	all := s.events(modelregistry.EventQuery{})
	for _, years := range []int{100, 7000, 290_000, 300_000, 600_000} {
		far := first.AddDate(years, 0, 0)
		_, err := s.r.At(far).Resolve(s.ctx, "models:/fraud/Production")
		s.ok(err)
		equal(s, "events until then", fmt.Sprint(len(s.events(modelregistry.EventQuery{Model: "fraud", Until: far}))), fmt.Sprint(len(all)))
		_, err = s.r.At(first.AddDate(-years, 0, 0)).Resolve(s.ctx, "models:/fraud/Production")
		s.fails(err, modelregistry.ErrNotFound, "fraud")
	}
	_, err := s.r.At(first).Resolve(s.ctx, "fraud/1")
	s.fails(err, modelregistry.ErrInvalid, "models:/fraud/1")
}

func pastInstant(s *trial) {
	s.clock.set(epoch, 0)
	s.register("fraud", 3)
	s.promote("fraud", 1, production)
	s.promote("fraud", 2, production)
	s.alias("fraud", "x", 1)
	s.alias("fraud", "x", 3)
	at := s.events(modelregistry.EventQuery{Newest: true, Limit: 1})[0].Time
	for uri, want := range map[string]int{"models:/fraud/Production": 2, "models:/fraud@x": 3, "models:/fraud/latest": 3, "models:/fraud/Archived": 1} {
		v, err := s.r.At(at).Resolve(s.ctx, uri)
		s.ok(err)
		equal(s, uri, v.Number, want)
	}
}
