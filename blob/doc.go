// Package blob stores the bytes of a registry under their SHA-256, on a directory or on any bucket that gocloud.dev/blob
// opens.
//
//	store, err := blob.Open(ctx, "file:///var/lib/models/blobs")
//	store, err := blob.Open(ctx, "s3://models?region=eu-central-1&prefix=prod")
//
// It is the one package of this module that imports gocloud.dev. Directories and memory are always there; a cloud is
// there once the program imports its driver:
//
//	import _ "gocloud.dev/blob/s3blob"    // s3://bucket
//	import _ "gocloud.dev/blob/gcsblob"   // gs://bucket
//	import _ "gocloud.dev/blob/azureblob" // azblob://container
//
// # Layout
//
// Content lies at blobs/sha256/ab/abcdef…, below the prefix if there is one. Nothing else is kept in an object store.
// A directory also has blobs/tmp, for content on its way in, and blobs/hints, with an empty file for each large content
// by which Put guesses that it may be there already. Both may be emptied while nobody writes.
//
// # Durability
//
// In a directory, content is written to a file beside its place, synced, renamed into place, and the directory is
// synced, before Put returns. So what Put returned survives a power loss, and a crash leaves at most a file in blobs/tmp;
// those older than a day are removed by Open and whenever the content is listed. In an object store, content is as
// durable as the service makes an object that it has acknowledged.
//
// # Names never lie
//
// Put hashes exactly the bytes that it stores. Where it has to read its argument twice (see [Store.Put]) it hashes both
// times and stores nothing if they differ.
package blob
