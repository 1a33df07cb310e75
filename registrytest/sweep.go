package registrytest

import (
	"errors"
	"fmt"
	"io/fs"
	"sync"

	"github.com/modelregistry-go/modelregistry"
)

var sweepPromises = []promise{
	{"Sweep removes what no version names, and nothing else", sweepUnnamed},
	{"a dry run says the same and removes nothing", sweepDry},
	{"young blobs are spared unless told otherwise", sweepYoung},
	{"Sweep is safe beside registrations", sweepBeside},
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
	wg.Wait()
	close(done)
	s.ok(errors.Join(append(errs, <-swept)...))
	_, err := s.r.Sweep(s.ctx, &modelregistry.SweepOptions{MinAge: -1})
	s.ok(err) // Check reads every file that is left
}
