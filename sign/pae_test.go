package sign

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// The example of the DSSE specification (protocol.md).
func TestPAEIsThatOfTheSpecification(t *testing.T) {
	require.Equal(t, "DSSEv1 29 http://example.com/HelloWorld 11 hello world", string(pae("http://example.com/HelloWorld", []byte("hello world"))))
	require.Equal(t, "DSSEv1 0  0 ", string(pae("", nil)))
}
