package webhook

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAddressesThatAreNotPublicAreRefused(t *testing.T) {
	for _, c := range []struct {
		address string
		public  bool
	}{
		{"8.8.8.8", true},
		{"93.184.216.34", true},
		{"100.63.255.255", true},
		{"100.128.0.1", true},
		{"172.15.0.1", true},
		{"172.32.0.1", true},
		{"2606:4700:4700::1111", true},
		{"2a00:1450:4001:81b::200e", true},
		{"::ffff:8.8.8.8", true},
		{"64:ff9b::808:808", true},

		{"0.0.0.0", false},
		{"0.1.2.3", false},
		{"10.0.0.1", false},
		{"100.64.0.1", false},
		{"100.100.100.200", false}, // a cloud's metadata
		{"127.0.0.1", false},
		{"127.255.255.254", false},
		{"169.254.169.254", false}, // most clouds' metadata
		{"172.16.0.1", false},
		{"172.31.255.255", false},
		{"192.0.0.8", false},
		{"192.0.2.1", false},
		{"192.88.99.1", false},
		{"192.168.1.1", false},
		{"198.18.0.1", false},
		{"198.19.255.255", false},
		{"198.51.100.1", false},
		{"203.0.113.1", false},
		{"224.0.0.1", false},
		{"239.255.255.255", false},
		{"240.0.0.1", false},
		{"255.255.255.255", false},
		{"::", false},
		{"::1", false},
		{"::7f00:1", false}, // 127.0.0.1 in an old notation
		{"::ffff:127.0.0.1", false},
		{"::ffff:10.0.0.1", false},
		{"::ffff:169.254.169.254", false},
		{"::ffff:0:7f00:1", false},
		{"64:ff9b::7f00:1", false},
		{"64:ff9b::a9fe:a9fe", false},
		{"64:ff9b:1::808:808", false}, // NAT64 of a network's own
		{"100::1", false},
		{"2001::1", false}, // Teredo
		{"2001:db8::1", false},
		{"2002:7f00:1::", false}, // 6to4
		{"2002:808:808::1", false},
		{"3fff::1", false},
		{"5f00::1", false},
		{"fc00::1", false},
		{"fd00:ec2::254", false}, // a cloud's metadata
		{"fe80::1", false},
		{"fe80::1%eth0", false},
		{"2606:4700:4700::1111%eth0", false},
		{"fec0::1", false},
		{"ff02::1", false},
	} {
		ip := netip.MustParseAddr(c.address)
		require.Equal(t, c.public, isPublic(ip), c.address)
		err := publicOnly(t.Context(), "tcp6", netip.AddrPortFrom(ip, 443).String(), nil)
		require.Equal(t, c.public, err == nil, "%s: %v", c.address, err)
		if !c.public {
			require.ErrorIs(t, err, errRefused)
		}
	}
	require.ErrorIs(t, publicOnly(t.Context(), "tcp4", "nonsense", nil), errRefused)
	require.ErrorIs(t, publicOnly(t.Context(), "udp", "8.8.8.8:53", nil), errRefused)
}
