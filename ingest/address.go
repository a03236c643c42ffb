package ingest

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// addresses tells which address a request comes from. It is the invalid netip.Addr where that can't be told: such a request is
// allowed nothing that its address would have to allow.
type addresses struct{ proxies []netip.Prefix }

// of is the address of the connection, or behind trusted proxies the one that the last of them has put into its header.
// What stands further left there, anyone can have written.
//
// Which of the headers a proxy writes is not known, and it passes on the others as a stranger wrote them. So they must
// agree: where two name different senders, or one can't be read, the sender is nobody. One that names trusted
// proxies alone says nothing: each of several proxies may have written another.
func (a addresses) of(r *http.Request) netip.Addr {
	peer, ok := parseAddress(r.RemoteAddr)
	if !ok || !a.trusted(peer) {
		return peer
	}
	sender := peer
	for _, hops := range [][]string{
		listed(r.Header["X-Forwarded-For"]), forwardedFor(r.Header["Forwarded"]), r.Header["X-Real-Ip"],
	} {
		named := a.sender(peer, hops)
		switch {
		case !named.IsValid():
			return named
		case a.trusted(named) && !a.trusted(sender), named == sender:
		case a.trusted(sender):
			sender = named
		default:
			return netip.Addr{}
		}
	}
	return sender
}

// listed takes a list apart that may go over several lines.
func listed(lines []string) []string {
	if len(lines) == 0 {
		return nil
	}
	return strings.Split(strings.Join(lines, ","), ",")
}

// sender walks from the last proxy towards the sender, past all that are trusted. A proxy that names nobody sent the
// request itself. What can't be read is nobody's: least of all the proxy's that passed it on.
func (a addresses) sender(peer netip.Addr, hops []string) netip.Addr {
	for _, hop := range slices.Backward(hops) {
		next, ok := parseAddress(strings.TrimSpace(hop))
		if !ok || !a.trusted(next) {
			return next
		}
		peer = next
	}
	return peer
}

func (a addresses) trusted(ip netip.Addr) bool { return contain(a.proxies, ip) }

// parseAddress reads an address, which some gateways write with the port and with brackets.
func parseAddress(s string) (netip.Addr, bool) {
	ip, err := netip.ParseAddr(s)
	if err != nil {
		var withPort netip.AddrPort
		withPort, err = netip.ParseAddrPort(s)
		ip = withPort.Addr()
	}
	if inner, bracketed := strings.CutPrefix(s, "["); err != nil && bracketed && strings.HasSuffix(inner, "]") {
		ip, err = netip.ParseAddr(strings.TrimSuffix(inner, "]"))
	}
	if err != nil {
		return netip.Addr{}, false
	}
	return ip.Unmap().WithZone(""), true
}

// addressText is for logs and what is kept of rejected requests.
func addressText(ip netip.Addr) string {
	if !ip.IsValid() {
		return ""
	}
	return ip.String()
}

// client is whose share a request from ip counts against: a network of one customer has 2^64 addresses of version 6.
func client(ip netip.Addr) netip.Prefix {
	bits := ip.BitLen()
	if ip.Is6() {
		bits = 64
	}
	p, _ := ip.Prefix(bits) // fails for the invalid address alone, which becomes the invalid prefix
	return p
}

// allows reports whether an address is in one of the source's networks.
func (src *source) allows(ip netip.Addr) bool {
	return len(src.networks) == 0 || contain(src.networks, ip)
}

func contain(networks []netip.Prefix, ip netip.Addr) bool {
	return slices.ContainsFunc(networks, func(n netip.Prefix) bool { return n.Contains(ip) })
}
