package registrytest

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"sync"

	"github.com/modelregistry-go/modelregistry"
)

var sweepPromises = []promise{
	{"Sweep removes what no version names, and nothing else", sweepUnnamed},
	{"a dry run says the same and removes nothing", sweepDry},
	{"young blobs are spared unless told otherwise", sweepYoung},
	{"Sweep keeps what artifacts name, and what versions took from them", sweepArtifacts},
	{"Sweep is safe beside registrations", sweepBeside},
	{"Sweep is safe beside artifacts, and versions made of them", sweepBesideArtifacts},
}

func sweepUnnamed(s *trial) {
	s.add("fraud", modelregistry.VersionSpec{Files: tree(map[string]string{"a": "shared", "b": "only one's"})})
	kept := s.add("fraud", modelregistry.VersionSpec{Files: tree(map[string]string{"c": "shared"})})
	copied, err := s.r.CopyVersion(s.ctx, "models:/fraud/2", "other", nil)
	s.ok(err)
	report, err := s.r.Sweep(s.ctx, &modelregistry.SweepOptions{MinAge: -1})
	s.ok(err)
	equal(s, "removed while all is named", len(report.Removed), 0)
	equal(s, "kept", report.Kept, 2)
	s.ok(s.r.DeleteVersion(s.ctx, "fraud", 1, nil))
	report, err = s.r.Sweep(s.ctx, &modelregistry.SweepOptions{MinAge: -1})
	s.ok(err)
	equal(s, "removed", len(report.Removed), 1)
	equal(s, "removed blob", report.Removed[0].Digest, digestOf("only one's"))
	equal(s, "bytes", report.Bytes, int64(len("only one's")))
	equal(s, "kept", report.Kept, 1)
	equal(s, "lists of files", report.Manifests, 1)
	for _, v := range []*modelregistry.Version{kept, copied} {
		content, err := fs.ReadFile(s.r.Files(s.ctx, v), "c")
		s.ok(err)
		equal(s, "content", string(content), "shared")
	}
	s.ok(s.r.DeleteModel(s.ctx, "fraud", nil))
	report, err = s.r.Sweep(s.ctx, &modelregistry.SweepOptions{MinAge: -1})
	s.ok(err)
	equal(s, "removed while a copy has it", len(report.Removed), 0)
	again := s.add("fraud", modelregistry.VersionSpec{Files: tree(map[string]string{"a": "shared", "b": "only one's"})})
	content, err := fs.ReadFile(s.r.Files(s.ctx, again), "b")
	s.ok(err)
	equal(s, "content that was stored anew", string(content), "only one's")
}

func sweepDry(s *trial) {
	s.add("fraud", modelregistry.VersionSpec{Files: tree(map[string]string{"a": "1", "b": "2"})})
	s.add("fraud", modelregistry.VersionSpec{Files: tree(map[string]string{"a": "1"})})
	s.ok(s.r.DeleteVersion(s.ctx, "fraud", 1, nil))
	dry, err := s.r.Sweep(s.ctx, &modelregistry.SweepOptions{DryRun: true, MinAge: -1})
	s.ok(err)
	equal(s, "to remove", len(dry.Removed), 1)
	wet, err := s.r.Sweep(s.ctx, &modelregistry.SweepOptions{MinAge: -1})
	s.ok(err)
	equal(s, "report", text(wet), text(dry))
}

func sweepYoung(s *trial) {
	s.clock.set(epoch.AddDate(-100, 0, 0), 0) // whatever the store dates, it is young
	s.add("fraud", modelregistry.VersionSpec{Files: tree(map[string]string{"a": "1"})})
	s.ok(s.r.DeleteVersion(s.ctx, "fraud", 1, nil))
	report, err := s.r.Sweep(s.ctx, nil)
	s.ok(err)
	equal(s, "removed", len(report.Removed), 0)
	equal(s, "kept", report.Kept, 1)
}

func sweepBeside(s *trial) {
	var wg sync.WaitGroup
	errs := make([]error, 4)
	for i := range errs {
		wg.Go(func() {
			for n := range 8 {
				model := fmt.Sprintf("m%d", i)
				v, err := s.r.Register(s.ctx, model, modelregistry.VersionSpec{Files: tree(map[string]string{"shared": fmt.Sprint(n % 2), "own": fmt.Sprint(i, n)})})
				if err == nil {
					_, err = fs.ReadFile(s.r.Files(s.ctx, v), "shared")
				}
				if err == nil && n%2 == 0 {
					err = s.r.DeleteVersion(s.ctx, model, v.Number, nil)
				}
				if err != nil {
					errs[i] = err
					return
				}
			}
		})
	}
	s.sweepUntil(&wg, errs)
}

// sweepUntil sweeps again and again until all others are done, and then looks that they, and it, found nothing wrong.
func (s *trial) sweepUntil(others *sync.WaitGroup, errs []error) {
	s.Helper()
	done := make(chan struct{})
	swept := make(chan error, 1)
	go func() {
		for {
			_, err := s.r.Sweep(s.ctx, &modelregistry.SweepOptions{MinAge: -1})
			select {
			case <-done:
				swept <- err
				return
			default:
			}
			if err != nil {
				swept <- err
				return
			}
		}
	}()
	others.Wait()
	close(done)
	s.ok(errors.Join(append(errs, <-swept)...))
	_, err := s.r.Sweep(s.ctx, &modelregistry.SweepOptions{MinAge: -1})
	s.ok(err) // Check reads every file that is left
}

func sweepArtifacts(s *trial) {
	s.put(map[string]string{"1/run/a": "replaced", "1/run/b": "shared", "1/run/c": "deleted", "1/run/d/e": "taken"})
	s.add("fraud", modelregistry.VersionSpec{Artifacts: "1/run/d"})
	s.add("fraud", modelregistry.VersionSpec{Files: tree(map[string]string{"x": "shared"})})
	sweep := func(what string, removed ...string) {
		s.Helper()
		for _, dry := range []bool{true, false} {
			report, err := s.r.Sweep(s.ctx, &modelregistry.SweepOptions{MinAge: -1, DryRun: dry})
			s.ok(err)
			equal(s, "removed "+what, len(report.Removed), len(removed))
			for _, content := range removed {
				if !strings.Contains(text(report.Removed), digestOf(content)) {
					s.Fatalf("%s: %q stays", what, content)
				}
			}
		}
		s.ok(check(s.ctx, s.r, s.cannot))
	}
	sweep("while all is named")
	held, err := s.r.Sweep(s.ctx, &modelregistry.SweepOptions{MinAge: -1, DryRun: true})
	s.ok(err)
	equal(s, "held by artifacts alone", fmt.Sprint(held.Held, held.HeldBytes, held.Kept), fmt.Sprint(2, len("replaced")+len("deleted"), 4))
	s.put(map[string]string{"1/run/a": "in its place"})
	sweep("after one was replaced", "replaced")
	s.ok(s.r.DeleteArtifacts(s.ctx, "1/run/c"))
	sweep("after one was deleted", "deleted")
	s.ok(s.r.DeleteVersion(s.ctx, "fraud", 2, nil))
	sweep("while an artifact has what a version had")
	s.ok(s.r.DeleteArtifacts(s.ctx, "1"))
	sweep("after all artifacts were deleted", "in its place", "shared")
	s.ok(s.r.DeleteModel(s.ctx, "fraud", nil))
	sweep("after the version was deleted", "taken")
}

func sweepBesideArtifacts(s *trial) {
	var wg sync.WaitGroup
	errs := make([]error, 4)
	for i := range errs {
		wg.Go(func() {
			run := fmt.Sprintf("1/run%d", i)
			for n := range 6 {
				// Content that is stored again and again, and moves from artifacts to versions and back.
				_, err := s.r.PutArtifact(s.ctx, run+"/a", struct{ io.Reader }{strings.NewReader(fmt.Sprint("content", n%2))})
				if err == nil {
					err = s.r.LogArtifacts(s.ctx, run, tree(map[string]string{"b": fmt.Sprint("content", (n+1)%2), "c": fmt.Sprint(i, n)}), nil)
				}
				var v *modelregistry.Version
				if err == nil {
					v, err = s.r.Register(s.ctx, fmt.Sprint("m", i), modelregistry.VersionSpec{Artifacts: run})
				}
				if err == nil {
					err = s.r.DeleteArtifacts(s.ctx, run)
				}
				if err == nil {
					_, err = contents(s.r.Files(s.ctx, v))
				}
				if err == nil && n%2 == 0 {
					err = s.r.DeleteVersion(s.ctx, v.Model, v.Number, nil)
				}
				if err != nil {
					errs[i] = err
					return
				}
			}
		})
	}
	s.sweepUntil(&wg, errs)
}
