// Package address tells which address a request comes from, behind proxies too, and whose share it counts against.
package address

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// Proxies are the networks whose word on a sender's address is believed.
type Proxies []netip.Prefix

// Sender is the address of the connection, or behind trusted proxies the one that the last of them has put into its header.
// What stands further left there, anyone can have written.
//
// Which of the headers a proxy writes is not known, and it passes on the others as a stranger wrote them. So they must
// agree: where two name different senders, or one can't be read, the sender is nobody. One that names trusted
// proxies alone says nothing: each of several proxies may have written another.
//
// Where the address can't be told it is the invalid [netip.Addr]: such a request is allowed nothing that its address would
// have to allow.
func (a Proxies) Sender(r *http.Request) netip.Addr {
	peer, ok := Parse(r.RemoteAddr)
	if !ok || !a.Trusted(peer) {
		return peer
	}
	sender := peer
	for _, hops := range [][]string{
		listed(r.Header["X-Forwarded-For"]), forwardedFor(r.Header["Forwarded"]), r.Header["X-Real-Ip"],
	} {
		named := a.walk(peer, hops)
		switch {
		case !named.IsValid():
			return named
		case a.Trusted(named) && !a.Trusted(sender), named == sender:
		case a.Trusted(sender):
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

// walk goes from the last proxy towards the sender, past all that are trusted. A proxy that names nobody sent the
// request itself. What can't be read is nobody's: least of all the proxy's that passed it on.
func (a Proxies) walk(peer netip.Addr, hops []string) netip.Addr {
	for _, hop := range slices.Backward(hops) {
		next, ok := Parse(strings.TrimSpace(hop))
		if !ok || !a.Trusted(next) {
			return next
		}
		peer = next
	}
	return peer
}

// Trusted reports whether an address is a proxy's.
func (a Proxies) Trusted(ip netip.Addr) bool { return In(a, ip) }

// Parse reads an address, which some gateways write with the port and with brackets.
func Parse(s string) (netip.Addr, bool) {
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

// Text is an address for logs and what is kept of rejected requests.
func Text(ip netip.Addr) string {
	if !ip.IsValid() {
		return ""
	}
	return ip.String()
}

// Client is whose share a request from ip counts against: a network of one customer has 2^64 addresses of version 6.
func Client(ip netip.Addr) netip.Prefix {
	bits := ip.BitLen()
	if ip.Is6() {
		bits = 64
	}
	p, _ := ip.Prefix(bits) // fails for the invalid address alone, which becomes the invalid prefix
	return p
}

// In reports whether an address is in one of the networks.
func In(networks []netip.Prefix, ip netip.Addr) bool {
	return slices.ContainsFunc(networks, func(n netip.Prefix) bool { return n.Contains(ip) })
}
