package compare_test

import (
	"context"
	"fmt"
	"log"
	"testing/fstest"
	"time"

	"github.com/modelregistry-go/modelregistry"
	"github.com/modelregistry-go/modelregistry/backend/memory"
	"github.com/modelregistry-go/modelregistry/blob"
	"github.com/modelregistry-go/modelregistry/compare"
)

// fraud is a registry with three versions of a model.
func fraud(ctx context.Context) modelregistry.Registry {
	blobs, err := blob.Open(ctx, "mem://")
	if err != nil {
		log.Fatal(err)
	}
	now := time.Date(2023, 6, 5, 0, 0, 0, 0, time.UTC)
	reg, err := modelregistry.New(ctx, memory.New(), blobs, &modelregistry.Options{Actor: "ann", Now: func() time.Time { now = now.Add(time.Minute); return now }})
	if err != nil {
		log.Fatal(err)
	}
	columns := modelregistry.Schema{{Name: "amount", Type: modelregistry.TypeDouble}, {Name: "country", Type: modelregistry.TypeString}}
	for i, spec := range []modelregistry.VersionSpec{
		{Metrics: map[string]float64{"accuracy": 0.905, "recall": 0.83, "loss": 0.31}, Params: map[string]string{"depth": "8", "model": "forest"}},
		{Metrics: map[string]float64{"accuracy": 0.92, "recall": 0.81, "loss": 0.28, "auc": 0.97}, Params: map[string]string{"depth": "10", "model": "forest"}},
		{Metrics: map[string]float64{"accuracy": 0.915, "recall": 0.84}, Tags: map[string]string{"team": "risk"}},
	} {
		spec.Files = fstest.MapFS{"weights.bin": {Data: make([]byte, 1000+i)}, "labels.txt": {Data: []byte("no yes")}}
		spec.Signature = &modelregistry.Signature{Inputs: columns[:min(i+1, 2)]}
		spec.Lineage = []modelregistry.Origin{{Type: modelregistry.TrainedOn, Node: modelregistry.DatasetNode("transactions", fmt.Sprintf("2023-0%d", 4+i), "", nil)}}
		if _, err := reg.Register(ctx, "fraud", spec); err != nil {
			log.Fatal(err)
		}
		now = now.Add(24 * time.Hour)
	}
	if _, err := reg.Promote(ctx, "fraud", 2, modelregistry.Production, nil); err != nil {
		log.Fatal(err)
	}
	return reg
}

func ExampleNumbers() {
	ctx := context.Background()
	c, err := compare.Numbers(ctx, fraud(ctx), "fraud", nil, 1, 2)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(c.Differences())
	// Output:
	// version  fraud/1               fraud/2
	// stage    None                  Production
	// created  2023-06-05T00:02:00Z  2023-06-06T00:04:00Z
	// digest   sha256:d76e0f2cdb8d   sha256:629a076c0066
	//
	// metric    fraud/1  fraud/2
	// accuracy  0.905    0.92 (+0.015 better)
	// auc                0.97
	// loss      0.31     0.28 (-0.03 better)
	// recall    0.83     0.81 (-0.02 worse)
	//
	// param  fraud/1  fraud/2
	// depth  8        10
	//
	// signature  change from fraud/1
	// fraud/2    breaking: inputs: "country" (string) is new and required
	//
	// file         fraud/1                     fraud/2
	// weights.bin  1000 B sha256:541b3e9daa09  1001 B sha256:2f33b0227588 differs
	//
	// origin                                   fraud/1  fraud/2
	// trained-on dataset transactions/2023-04  yes      no
	// trained-on dataset transactions/2023-05  no       yes
}

func ExampleLeaderboard() {
	ctx := context.Background()
	b, err := compare.Leaderboard(ctx, fraud(ctx), "fraud", "accuracy", 10, &compare.LeaderboardOptions{Metrics: []string{"recall"}})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(b)
	fmt.Println()
	fmt.Print(b.Markdown())
	// Output:
	// rank  version  stage       accuracy  recall  created at            description
	// 1     2        Production  0.92      0.81    2023-06-06T00:04:00Z
	// 2     3        None        0.915     0.84    2023-06-07T00:06:00Z
	// 3     1        None        0.905     0.83    2023-06-05T00:02:00Z
	//
	// | rank | version | stage | accuracy | recall | created at | description |
	// | --- | --- | --- | --- | --- | --- | --- |
	// | 1 | 2 | Production | 0.92 | 0.81 | 2023-06-06T00:04:00Z |  |
	// | 2 | 3 | None | 0.915 | 0.84 | 2023-06-07T00:06:00Z |  |
	// | 3 | 1 | None | 0.905 | 0.83 | 2023-06-05T00:02:00Z |  |
}
