package main

import (
	"crypto/tls"
	"fmt"

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
