package modelregistry_test

import (
	"errors"
	"fmt"
	"log"

	"github.com/modelregistry-go/modelregistry"
)

func ExampleParseSemver() {
	v, err := modelregistry.ParseSemver("v1.2.0-rc.1")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(v, v.Major, v.Prerelease)
	_, err = modelregistry.ParseSemver("1.2")
	fmt.Println(errors.Is(err, modelregistry.ErrInvalid), err)
	// Output:
	// 1.2.0-rc.1 1 rc.1
	// true semantic version "1.2": invalid: wants three numbers, such as 1.2.0 or v1.2.0-rc.1
}

func ExampleSemver_Bump() {
	v := modelregistry.Semver{Major: 1, Minor: 2, Patch: 3}
	for _, part := range []modelregistry.Bump{modelregistry.BumpMajor, modelregistry.BumpMinor, modelregistry.BumpPatch} {
		next, err := v.Bump(part)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(part, next)
	}
	// Output:
	// major 2.0.0
	// minor 1.3.0
	// patch 1.2.4
}

func ExampleSemver_Compare() {
	candidate := modelregistry.Semver{Major: 1, Prerelease: "rc.1"}
	release := modelregistry.Semver{Major: 1}
	fmt.Println(candidate.Compare(release), release.Compare(release), release.Compare(candidate))
	// Output:
	// -1 0 1
}

func ExampleParseRange() {
	r, err := modelregistry.ParseRange("^1.2 || >=3.0 <3.2")
	if err != nil {
		log.Fatal(err)
	}
	for _, s := range []string{"1.1.9", "1.9.0", "3.1.0", "3.2.0"} {
		v, err := modelregistry.ParseSemver(s)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(s, r.Contains(v))
	}
	// Output:
	// 1.1.9 false
	// 1.9.0 true
	// 3.1.0 true
	// 3.2.0 false
}

func ExampleMap() {
	metrics := modelregistry.MapOf(map[string]float64{"loss": 0.08, "accuracy": 0.97})
	loss, ok := metrics.Lookup("loss")
	fmt.Println(loss, ok, metrics.Get("f1"))
	for name, value := range metrics.All() {
		fmt.Println(name, value)
	}
	// Output:
	// 0.08 true 0
	// accuracy 0.97
	// loss 0.08
}
