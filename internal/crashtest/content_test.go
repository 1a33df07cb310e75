package crashtest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"testing/fstest"

	"github.com/modelregistry-go/modelregistry"
)

// files are the files of a version whose content has that number: a few small ones, one of which other versions have
// too, and now and then one that is too large to be stored in one piece.
func files(content uint64) fstest.MapFS {
	var seed [32]byte
	binary.LittleEndian.PutUint64(seed[:], content)
	random := rand.NewChaCha8(seed)
	choice := rand.New(rand.NewPCG(content, 0))
	out := fstest.MapFS{"config.json": {Data: fmt.Appendf(nil, `{"layers":%d}`, content%4)}}
	for i := range 1 + choice.IntN(4) {
		size := choice.IntN(6000)
		switch choice.IntN(24) {
		case 0:
			size = 0
		case 1:
			size = 1<<20 + choice.IntN(1<<20)
		}
		data := make([]byte, size)
		_, _ = random.Read(data) // never fails
		out[fmt.Sprintf("weights/part-%d.bin", i)] = &fstest.MapFile{Data: data}
	}
	return out
}

// checkFiles reads a version's files and compares them with those of its content; 0 is none.
func checkFiles(ctx context.Context, r modelregistry.Registry, v *modelregistry.Version, content uint64) error {
	var want fstest.MapFS
	if content != 0 {
		want = files(content)
	}
	manifest, err := r.Manifest(ctx, v)
	if err != nil {
		return err
	}
	if len(manifest) != len(want) || v.FileCount != len(want) {
		return fmt.Errorf("%s has %d files in its list and %d in its row; registered were %d", v.Ref(), len(manifest), v.FileCount, len(want))
	}
	fsys := r.Files(ctx, v)
	for _, f := range manifest {
		file, ok := want[f.Path]
		if !ok {
			return fmt.Errorf("%s has a file %s that was not registered", v.Ref(), f.Path)
		}
		if f.Digest != digest(file.Data) || f.Size != int64(len(file.Data)) {
			return fmt.Errorf("%s: file %s is listed as %s of %d bytes, which is not what was registered", v.Ref(), f.Path, f.Digest, f.Size)
		}
		got, err := fs.ReadFile(fsys, f.Path)
		if err != nil {
			return fmt.Errorf("%s: %w", v.Ref(), err)
		}
		if !bytes.Equal(got, file.Data) {
			return fmt.Errorf("%s: file %s is not what was registered", v.Ref(), f.Path)
		}
	}
	return nil
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// checkBlob reads a blob, which has to be what its digest says.
func checkBlob(ctx context.Context, s *store, info modelregistry.BlobInfo) error {
	r, err := s.blobs.Open(ctx, info.Digest)
	if err != nil {
		return err
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if int64(len(data)) != info.Size || digest(data) != info.Digest {
		return fmt.Errorf("blob %s of %d bytes is %s of %d bytes", info.Digest, info.Size, digest(data), len(data))
	}
	return nil
}
