package webhook

import (
	"context"
	"fmt"
	"net/netip"
	"syscall"
)

// publicOnly refuses to connect a socket to an address that is not public. It sees the address itself, after the name was
// resolved and for each address that is tried, so a name that resolves to another one later, or to several, gets nobody in.
func publicOnly(_ context.Context, network, address string, _ syscall.RawConn) error {
	if network != "tcp4" && network != "tcp6" {
		return fmt.Errorf("network %s: %w", network, errRefused)
	}
	to, err := netip.ParseAddrPort(address)
	if err != nil || !isPublic(to.Addr()) {
		return fmt.Errorf("address %s: %w: it is not public", address, errRefused)
	}
	return nil
}

// special4 are the IPv4 networks that are not the public internet: IANA's registry of special-purpose addresses, besides
// what netip knows by itself.
var special4 = prefixes(
	"0.0.0.0/8",       // this network
	"100.64.0.0/10",   // carriers' NAT, and clouds' metadata
	"192.0.0.0/24",    // protocol assignments
	"192.0.2.0/24",    // documentation
	"192.88.99.0/24",  // 6to4 relays
	"198.18.0.0/15",   // benchmarks
	"198.51.100.0/24", // documentation
	"203.0.113.0/24",  // documentation
	"240.0.0.0/4",     // reserved, and broadcast
)

// Of IPv6 only 2000::/3 is given out to the public, without these.
var (
	global6  = netip.MustParsePrefix("2000::/3")
	special6 = prefixes(
		"2001::/23",     // protocol assignments: Teredo and others
		"2001:db8::/32", // documentation
		"2002::/16",     // 6to4, which leads to an IPv4 address
		"3fff::/20",     // documentation
	)
	// nat64 is how networks without IPv4 write IPv4 addresses: what counts is the one inside.
	nat64 = netip.MustParsePrefix("64:ff9b::/96")
)

func prefixes(texts ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(texts))
	for i, text := range texts {
		out[i] = netip.MustParsePrefix(text)
	}
	return out
}

// isPublic says whether an address is one of the public internet.
func isPublic(ip netip.Addr) bool {
	if ip.Zone() != "" {
		return false
	}
	ip = ip.Unmap()
	if nat64.Contains(ip) {
		b := ip.As16()
		ip = netip.AddrFrom4([4]byte(b[12:]))
	}
	if !ip.IsGlobalUnicast() || ip.IsPrivate() {
		return false
	}
	special := special4
	if ip.Is6() {
		if !global6.Contains(ip) {
			return false
		}
		special = special6
	}
	for _, p := range special {
		if p.Contains(ip) {
			return false
		}
	}
	return true
}
