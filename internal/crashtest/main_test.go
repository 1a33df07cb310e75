package crashtest

import (
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestMain(m *testing.M) {
	if config := os.Getenv(loadVariable); config != "" {
		if err := runLoad(config); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// newSeed is the run's seed, which it logs.
func newSeed(t *testing.T) uint64 {
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("MODELREGISTRY_TEST_SEED"); text != "" {
		var err error
		seed, err = strconv.ParseUint(text, 10, 64)
		require.NoError(t, err, "MODELREGISTRY_TEST_SEED")
	}
	t.Logf("MODELREGISTRY_TEST_SEED=%d", seed)
	return seed
}
