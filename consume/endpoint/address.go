package endpoint

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"code.dny.dev/ssrf"
)

// ErrAddressRefused means that an address is not public, and that no allowed network has it.
var ErrAddressRefused = errors.New("set JETHOOK_ALLOWED_NETWORKS to allow it")

// azureWireServer answers every Azure virtual machine with its credentials, from a public address:
// https://learn.microsoft.com/azure/virtual-network/what-is-ip-address-168-63-129-16
var azureWireServer = netip.MustParsePrefix("168.63.129.16/32")

// AddressPolicy is the rule for the addresses that endpoints may have: public ones, and those of the allowed
// networks. Refused are all that IANA lists as special (loopback, private, link-local, CGNAT, multicast,
// documentation and the rest), every IPv6 address that is not global unicast or that embeds an IPv4 one in a way that
// can't be told (6to4, Teredo), and with them the metadata services of all clouds. Of NAT64's well-known prefix, behind which
// networks without IPv4 find all of it, the IPv4 address counts.
type AddressPolicy struct {
	guard *ssrf.Guardian
}

// NewAddressPolicy returns the rule that allows public addresses and those of the given networks. A network
// allows an IPv4 address in both its forms, 10.0.0.1 and ::ffff:10.0.0.1.
func NewAddressPolicy(allowed []netip.Prefix) *AddressPolicy {
	var v4, v6 []netip.Prefix
	for _, network := range allowed {
		addr, bits := network.Addr(), network.Bits()
		if addr.Is4In6() && bits >= 96 {
			addr, bits = addr.Unmap(), bits-96
		}
		if addr.Is4() {
			v4 = append(v4, netip.PrefixFrom(addr, bits))
		} else {
			v6 = append(v6, netip.PrefixFrom(addr, bits))
		}
	}
	return &AddressPolicy{guard: ssrf.New(
		ssrf.WithAnyPort(),
		ssrf.WithAllowedV4Prefixes(v4...),
		ssrf.WithAllowedV6Prefixes(v6...),
		ssrf.WithDeniedV4Prefixes(azureWireServer),
	)}
}

// Check returns an error that wraps ErrAddressRefused unless an endpoint may have the address.
func (p *AddressPolicy) Check(addr netip.Addr) error {
	if !addr.IsValid() || p.guard.SafeAddr(reached(addr)) != nil {
		return fmt.Errorf("%s is not a public address: %w", addr, ErrAddressRefused)
	}
	return nil
}

// nat64 is the prefix under which a translator reaches IPv4: https://www.rfc-editor.org/rfc/rfc6052#section-2.1
var nat64 = netip.MustParsePrefix("64:ff9b::/96")

// reached is the address that answers behind addr. The kernel dials the mapped form as the IPv4 address, and a zone only
// says through which interface.
func reached(addr netip.Addr) netip.Addr {
	addr = addr.Unmap().WithZone("")
	if nat64.Contains(addr) {
		v6 := addr.As16()
		return netip.AddrFrom4([4]byte(v6[12:]))
	}
	return addr
}

// checkHost refuses what can be told from a URL's host alone. A name is held against the rule again when it
// is dialed, after DNS: this check only spares its owner the wait for the first delivery. A nil policy allows all.
func (p *AddressPolicy) checkHost(host string) error {
	if p == nil {
		return nil
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		return p.Check(addr)
	}
	name := strings.TrimSuffix(strings.ToLower(host), ".")
	if name != "localhost" && !strings.HasSuffix(name, ".localhost") {
		return nil
	}
	err := p.Check(netip.AddrFrom4([4]byte{127, 0, 0, 1}))
	if err == nil || p.Check(netip.IPv6Loopback()) == nil {
		return nil
	}
	return err
}
