package main

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"strings"

	"jethook/config"
	"jethook/config/certificate"
)

// certificate opens the certificate of a listener, which is reloaded from then on; nil where none is set.
func (b *bridge) certificate(variable, cert, key string) (*tls.Config, error) {
	if cert == "" {
		return nil, nil
	}
	c, err := certificate.Open(certificate.Files{Cert: cert, Key: key})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", variable, err)
	}
	b.reload.certificates[variable] = c
	return c.Server(), nil
}

// reach is how a client gets to the admin API at an address. The configured listener with a certificate is this machine's
// own, and shows the one in the file, which may be for any name.
func reach(cfg *config.Config, address string) (url string, transport *http.Transport, err error) {
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
	return secured(adminURL(address), own), transport, nil
}

// secured is the URL with https if so.
func secured(url string, so bool) string {
	if so {
		return "https://" + strings.TrimPrefix(url, "http://")
	}
	return url
}
