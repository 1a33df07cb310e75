package buckettest

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
)

const bucket = "models"

func startS3(p *process) (string, error) {
	const key, secret, region = "tester", "tester-secret", "us-east-1"
	binary, err := built("versitygw", "github.com/versity/versitygw/cmd/versitygw")
	if err != nil {
		return "", err
	}
	dir, err := p.tempDir()
	if err != nil {
		return "", err
	}
	// Folders of the root are its buckets. Metadata goes into a sidecar: not every file system has extended attributes.
	root, sidecar := filepath.Join(dir, "root"), filepath.Join(dir, "sidecar")
	for _, d := range []string{filepath.Join(root, bucket), sidecar} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return "", err
		}
	}
	addr, err := p.serve(func(host, port string) []string {
		return []string{binary, "--quiet", "--access", key, "--secret", secret, "--region", region, "--port", host + ":" + port,
			"posix", "--sidecar", sidecar, root}
	})
	if err != nil {
		return "", err
	}
	if err := setenv("AWS_ACCESS_KEY_ID", key, "AWS_SECRET_ACCESS_KEY", secret); err != nil {
		return "", err
	}
	return fmt.Sprintf("s3://%s?endpoint=http://%s&region=%s&use_path_style=true", bucket, addr, region), nil
}

func startGCS(p *process) (string, error) {
	binary, err := built("fake-gcs-server", "github.com/fsouza/fake-gcs-server")
	if err != nil {
		return "", err
	}
	dir, err := p.tempDir()
	if err != nil {
		return "", err
	}
	addr, err := p.serve(func(host, port string) []string {
		return []string{binary, "-scheme", "http", "-host", host, "-port", port, "-public-host", host + ":" + port,
			"-external-url", "http://" + host + ":" + port, "-backend", "filesystem", "-filesystem-root", dir, "-log-level", "error"}
	})
	if err != nil {
		return "", err
	}
	resp, err := http.Post("http://"+addr+"/storage/v1/b?project=test", "application/json", bytes.NewBufferString(`{"name":"`+bucket+`"}`))
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("make the bucket: %s", resp.Status)
	}
	return "gs://" + bucket + "?anonymous=true", setenv("STORAGE_EMULATOR_HOST", addr)
}

func startAzure(p *process) (string, error) {
	// Any account and key would do: they are those of this server alone.
	const account, key = "tester", "dGVzdGVyLXNlY3JldA=="
	node, script, err := azurite()
	if err != nil {
		return "", err
	}
	dir, err := p.tempDir()
	if err != nil {
		return "", err
	}
	if err := setenv("AZURITE_ACCOUNTS", account+":"+key); err != nil {
		return "", err
	}
	addr, err := p.serve(func(host, port string) []string {
		return []string{node, script, "--blobHost", host, "--blobPort", port, "--location", dir, "--silent",
			"--skipApiVersionCheck", "--disableTelemetry"}
	})
	if err != nil {
		return "", err
	}
	// The client reads these once in a process, so they are the same for every server.
	if err := setenv("AZURE_STORAGE_ACCOUNT", account, "AZURE_STORAGE_KEY", key); err != nil {
		return "", err
	}
	cred, err := container.NewSharedKeyCredential(account, key)
	if err != nil {
		return "", err
	}
	c, err := container.NewClientWithSharedKeyCredential("http://"+addr+"/"+account+"/"+bucket, cred, nil)
	if err != nil {
		return "", err
	}
	if _, err := c.Create(context.Background(), nil); err != nil {
		return "", fmt.Errorf("make the container: %w", err)
	}
	return "azblob://" + bucket + "?protocol=http&domain=" + addr, nil
}
