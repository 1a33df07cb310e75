package registrytest

import (
	"github.com/modelregistry-go/modelregistry"
)

var semverPromises = []promise{
	{"a bump goes on from the highest version that the model ever had", semverBump},
	{"two versions of a model are never the same semantic version", semverTaken},
	{"a semantic version of a deleted version can be given again, by name", semverDeleted},
}

func semverBump(s *trial) {
	for _, c := range []struct {
		spec modelregistry.VersionSpec
		want string
	}{
		{modelregistry.VersionSpec{Bump: modelregistry.BumpPatch}, "1.0.0"},
		{modelregistry.VersionSpec{Bump: modelregistry.BumpPatch}, "1.0.1"},
		{modelregistry.VersionSpec{}, ""},
		{modelregistry.VersionSpec{Bump: modelregistry.BumpMinor}, "1.1.0"},
		{modelregistry.VersionSpec{Bump: "MAJOR"}, "2.0.0"},
		{modelregistry.VersionSpec{Semver: "1.0.9"}, "1.0.9"},
		{modelregistry.VersionSpec{Bump: modelregistry.BumpPatch}, "2.0.1"},
		{modelregistry.VersionSpec{Semver: "v3.0.0-rc.1"}, "3.0.0-rc.1"},
		{modelregistry.VersionSpec{Bump: modelregistry.BumpMajor}, "3.0.0"},
	} {
		v := s.add("fraud", c.spec)
		equal(s, "semantic version", v.Semver.String(), c.want)
		equal(s, "as read", s.version("fraud", v.Number).Semver, v.Semver)
	}
	equal(s, "highest", s.model("fraud").Semver.String(), "3.0.0")
	s.ok(s.r.DeleteVersion(s.ctx, "fraud", 9, nil))
	equal(s, "after the highest was deleted", s.add("fraud", modelregistry.VersionSpec{Bump: modelregistry.BumpPatch}).Semver.String(), "3.0.1")
}

func semverTaken(s *trial) {
	s.add("fraud", modelregistry.VersionSpec{Semver: "1.2.3"})
	before := s.state()
	for _, same := range []string{"1.2.3", "v1.2.3", "1.2.3+build"} {
		_, err := s.r.Register(s.ctx, "fraud", modelregistry.VersionSpec{Semver: same})
		s.fails(err, modelregistry.ErrExists, "version 1 has it")
	}
	s.unchanged(before)
	s.add("fraud", modelregistry.VersionSpec{Semver: "1.2.3-rc.1"})
	s.add("other", modelregistry.VersionSpec{Semver: "1.2.3"})
}

func semverDeleted(s *trial) {
	s.add("fraud", modelregistry.VersionSpec{Semver: "1.0.0"})
	s.ok(s.r.DeleteVersion(s.ctx, "fraud", 1, nil))
	equal(s, "resolved", s.names("models:/fraud/1.0.0"), 0)
	v := s.add("fraud", modelregistry.VersionSpec{Semver: "1.0.0"})
	equal(s, "number", v.Number, 2)
	equal(s, "resolved", s.names("models:/fraud/1.0.0"), 2)
}
