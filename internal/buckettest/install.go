package buckettest

import (
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
)

// azuriteVersion is the one that the tests were written with.
const azuriteVersion = "3.37.0"

// built returns a program of internal/tools, and builds it unless an earlier test did.
func built(name, pkg string) (string, error) {
	tools, err := toolsDir()
	if err != nil {
		return "", err
	}
	sums, err := os.ReadFile(filepath.Join(tools, "go.sum"))
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(sums)
	id := fmt.Sprintf("%s-%s-%.6x", name, runtime.Version(), sum[:])
	return installed(id, name, func(dir string) error {
		cmd := exec.Command("go", "build", "-trimpath", "-o", filepath.Join(dir, name), pkg)
		cmd.Dir = tools
		cmd.Env = append(os.Environ(), "GOFLAGS=", "GOWORK=off", "CGO_ENABLED=0")
		return run(cmd)
	})
}

// azurite returns node and Azurite's main script.
func azurite() (node, script string, err error) {
	if node, err = exec.LookPath("node"); err != nil {
		return "", "", fmt.Errorf("find Node.js for Azurite (`make test` installs it; MODELREGISTRY_TEST_AZURE does without): %w", err)
	}
	script, err = installed("azurite-"+azuriteVersion, "node_modules/azurite/dist/src/blob/main.js", func(dir string) error {
		return run(exec.Command("npm", "install", "--prefix", dir, "--ignore-scripts", "--omit=dev", "--omit=optional",
			"--no-audit", "--no-fund", "azurite@"+azuriteVersion))
	})
	return node, script, err
}

// toolsDir finds internal/tools from the folder of the test that runs.
func toolsDir() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		tools := filepath.Join(dir, "internal", "tools")
		if _, err := os.Stat(filepath.Join(tools, "go.mod")); err == nil {
			return tools, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", fmt.Errorf("no internal/tools above the test's folder")
		}
		dir = parent
	}
}

// installed returns the path of file in the cache folder id, and fills that folder first if it is not there. The folder
// appears whole or not at all, and one process at a time fills it.
func installed(id, file string, fill func(dir string) error) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir() // no home directory
	}
	cache = filepath.Join(cache, "modelregistry-tests")
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", err
	}
	dir := filepath.Join(cache, id)
	path := filepath.Join(dir, filepath.FromSlash(file))
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	unlock, err := lock(filepath.Join(cache, id+".lock"))
	if err != nil {
		return "", err
	}
	defer unlock()
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	part, err := os.MkdirTemp(cache, id+".part-*")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(part)
	if err := fill(part); err != nil {
		return "", fmt.Errorf("install %s: %w", id, err)
	}
	if err := os.RemoveAll(dir); err != nil {
		return "", err
	}
	return path, os.Rename(part, dir)
}

func run(cmd *exec.Cmd) error {
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", cmd, err, out)
	}
	return nil
}
