module github.com/modelregistry-go/modelregistry/examples/boltbackend

go 1.26.0

require (
	github.com/modelregistry-go/modelregistry v0.0.0
	go.etcd.io/bbolt v1.5.0
)

require (
	github.com/Masterminds/semver/v3 v3.5.0 // indirect
	golang.org/x/sys v0.48.0 // indirect
)

replace github.com/modelregistry-go/modelregistry => ../..
