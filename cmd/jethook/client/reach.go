package client

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"jethook/config"
	"jethook/config/certificate"
)

// Reach returns how a client gets to the admin API at an address. The configured listener with a certificate is this machine's
// own, and shows the one in the file, which may be for any name.
func Reach(cfg *config.Config, address string) (url string, transport *http.Transport, err error) {
	transport = http.DefaultTransport.(*http.Transport).Clone()
	own := address == cfg.AdminListen && cfg.AdminTLSCert != ""
	switch {
	case own:
		if transport.TLSClientConfig, err = certificate.Pinned(cfg.AdminTLSCert); err != nil {
			return "", nil, fmt.Errorf("JETHOOK_ADMIN_TLS_CERT: %w", err)
		}
	case cfg.AdminCA != "":
		if transport.TLSClientConfig, err = certificate.Trusting(cfg.AdminCA); err != nil {
			return "", nil, fmt.Errorf("JETHOOK_ADMIN_CA: %w", err)
		}
	}
	return Secured(URLOf(address), own), transport, nil
}

// Secured returns the URL with https if so.
func Secured(url string, so bool) string {
	if so {
		return "https://" + strings.TrimPrefix(url, "http://")
	}
	return url
}

// URLOf is where a client reaches an API that listens on address, which may be a URL already. A server
// that listens on every address of its machine is asked on the machine itself.
func URLOf(address string) string {
	if strings.Contains(address, "://") {
		return strings.TrimRight(address, "/")
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "http://" + address
	}
	if ip, err := netip.ParseAddr(host); host == "" || err == nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port)
}
