package registrytest

import (
	"strings"

	"github.com/modelregistry-go/modelregistry"
)

var resolvePromises = []promise{
	{"every form of URI finds its version", resolveForms},
	{"a semantic version finds its version, and a range the highest in it", resolveSemver},
	{"a digest finds its version", resolveDigests},
	{"a digest pin fails closed", resolvePins},
	{"a stage and latest name the newest there", resolveNewest},
	{"a range finds the highest version in it", resolveRanges},
	{"a range finds its version below many that are not in it", resolveDeepRange},
	{"what is not there is named in the error", resolveMissing},
}

// fraud registers a model that every form of URI finds something in.
func fraud(s *trial) *modelregistry.Version {
	s.Helper()
	v := s.add("fraud", s.able(modelregistry.VersionSpec{Semver: "1.2.3", Files: tree(map[string]string{"a": "1"}), Aliases: []string{"champion"}, RunID: "run-1"}))
	s.add("fraud", s.able(modelregistry.VersionSpec{Semver: "1.3.0", RunID: "run-2"}))
	s.add("fraud", s.able(modelregistry.VersionSpec{Semver: "2.0.0-rc.1"}))
	s.promote("fraud", 1, production)
	s.promote("fraud", 2, staging)
	return v
}

func resolveForms(s *trial) {
	v := fraud(s)
	for uri, want := range map[string]int{
		"models:/fraud/2":           2,
		"models:/fraud/Production":  1,
		"models:/fraud/production":  1,
		"models:/fraud/Staging":     2,
		"models:/fraud/None":        3,
		"models:/fraud/latest":      3,
		"models:/fraud@champion":    1,
		"models:/fraud@latest":      3,
		"models:/fraud/2/some/path": 2,
		"models:///fraud/2":         2,
		"MODELS:/fraud/2":           2,
	} {
		s.finds(uri, want)
	}
	got, err := s.r.Resolve(s.ctx, v.URI())
	s.ok(err)
	equal(s, "version of its own URI", got.Number, 1)
}

// finds reports an error unless a URI finds a version of fraud.
func (s *trial) finds(uri string, want int) {
	s.Helper()
	got, err := s.r.Resolve(s.ctx, uri)
	if err != nil {
		s.unsupported(err)
		s.Errorf("%s: %v", uri, err)
		return
	}
	if text(got) != text(s.version("fraud", want)) {
		s.Errorf("%s is version %d; want %d as Version reads it", uri, got.Number, want)
	}
}

func resolveSemver(s *trial) {
	fraud(s)
	for uri, want := range map[string]int{
		"models:/fraud/v1.2.3":     1,
		"models:/fraud/1.3.0":      2,
		"models:/fraud/2.0.0-rc.1": 3,
		"models:/fraud/^1.2":       2,
		"models:/fraud/~1.2.0":     1,
		"models:/fraud/%5E1.2":     2,
	} {
		s.finds(uri, want)
	}
	for _, uri := range []string{"models:/fraud/v9.9.9", "models:/fraud/^9"} {
		_, err := s.r.Resolve(s.ctx, uri)
		s.fails(err, modelregistry.ErrNotFound, strings.TrimPrefix(strings.TrimPrefix(uri, "models:/fraud/"), "v"))
	}
}

func resolveDigests(s *trial) {
	v := fraud(s)
	for _, uri := range []string{"models:/fraud@", "models:/fraud/1@", "models:/fraud@champion@", "models:/fraud/Production@"} {
		s.finds(uri+v.Digest, 1)
	}
}

func resolvePins(s *trial) {
	v := fraud(s)
	wrong := "sha256:" + strings.Repeat("0", 64)
	for _, uri := range []string{"models:/fraud/1@" + wrong, "models:/fraud@champion@" + wrong, "models:/fraud/Production@" + wrong, "models:/fraud/2@" + v.Digest, "models:/fraud/latest@" + v.Digest, "models:/fraud/^1.2@" + v.Digest} {
		_, err := s.r.Resolve(s.ctx, uri)
		s.fails(err, modelregistry.ErrCorrupt, "digest")
	}
	_, err := s.r.Resolve(s.ctx, "models:/fraud@"+wrong)
	s.fails(err, modelregistry.ErrNotFound, wrong)
}

func resolveNewest(s *trial) {
	s.register("fraud", 12)
	equal(s, "None", s.names("models:/fraud/None"), 12)
	s.promote("fraud", 12, production)
	equal(s, "latest", s.names("models:/fraud/latest"), 12)
	equal(s, "None", s.names("models:/fraud/None"), 11)
	for _, number := range []int{2, 10, 9} {
		_, err := s.r.Transition(s.ctx, "fraud", number, staging, &modelregistry.TransitionOptions{Keep: true})
		s.ok(err)
	}
	equal(s, "Staging", s.names("models:/fraud/Staging"), 10)
	s.ok(s.r.DeleteVersion(s.ctx, "fraud", 12, &modelregistry.DeleteOptions{Force: true}))
	equal(s, "latest", s.names("models:/fraud/latest"), 11)
}

func resolveRanges(s *trial) {
	for _, v := range []string{"1.10.0", "1.9.9", "1.2.0", "0.9.0", "2.0.0-rc.2", "2.0.0-rc.10", "1.2.1-beta"} {
		s.add("fraud", modelregistry.VersionSpec{Semver: v})
	}
	s.register("fraud", 1) // without a semantic version
	for r, want := range map[string]string{
		"^1.2": "1.10.0", "~1.2.0": "1.2.0", "1.9.x": "1.9.9", "^0.9": "0.9.0", ">=2.0.0-0": "2.0.0-rc.10", "<1.0.0": "0.9.0",
		"^1.2 || ^2": "1.10.0", "1.2 - 1.9": "1.9.9", "*": "1.10.0", "!=1.10.0": "1.9.9", ">=1.2.1-0 <1.3.0-0": "1.2.1-beta",
	} {
		v, err := s.r.Resolve(s.ctx, "models:/fraud/"+r)
		s.ok(err)
		equal(s, r, v.Semver.String(), want)
	}
	equal(s, "^3", s.names("models:/fraud/^3"), 0)
	s.ok(s.r.DeleteVersion(s.ctx, "fraud", 1, nil))
	equal(s, "^1.2 after 1.10.0 was deleted", s.names("models:/fraud/^1.2"), 2)
}

func resolveDeepRange(s *trial) {
	s.add("fraud", modelregistry.VersionSpec{Semver: "1.0.0"})
	s.add("fraud", modelregistry.VersionSpec{Semver: "2.0.0"})
	for range 110 {
		s.add("fraud", modelregistry.VersionSpec{Bump: modelregistry.BumpPatch})
	}
	equal(s, "^1", s.names("models:/fraud/^1"), 1)
	equal(s, "^2", s.names("models:/fraud/^2"), 112)
	equal(s, "^3", s.names("models:/fraud/^3"), 0)
}

func resolveMissing(s *trial) {
	fraud(s)
	for uri, hint := range map[string]string{
		"models:/none/1":         `model "none"`,
		"models:/none@champion":  `model "none"`,
		"models:/none/latest":    `model "none"`,
		"models:/Fraud/1":        `model "Fraud"`,
		"models:/fraud/4":        "version 4",
		"models:/fraud/Archived": "Archived",
		"models:/fraud@none":     `alias "none"`,
	} {
		_, err := s.r.Resolve(s.ctx, uri)
		s.fails(err, modelregistry.ErrNotFound, hint)
		s.fails(err, modelregistry.ErrNotFound, uri)
	}
	_, err := s.r.CreateModel(s.ctx, "empty", modelregistry.ModelSpec{})
	s.ok(err)
	_, err = s.r.Resolve(s.ctx, "models:/empty/latest")
	s.fails(err, modelregistry.ErrNotFound, "no version")
}
