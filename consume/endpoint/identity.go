package endpoint

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"strings"

	"jethook/config"
)

// maxPEM bounds a certificate with its chain, and authorities, in bytes.
const maxPEM = 64 << 10

// identity takes over by whose word the receiver's certificate is believed, and the certificate that Jethook shows it.
func (c *checker) identity(e *Endpoint, s *Spec) {
	if s.CA != nil {
		e.CA = trimPEM(*s.CA)
		c.check("ca", checkCA(e.CA))
	}
	cert, key := e.ClientCertificate, ""
	if s.ClientCertificate != nil {
		cert = trimPEM(*s.ClientCertificate)
	}
	if s.ClientKey != nil {
		key = trimPEM(*s.ClientKey)
	}
	switch {
	case cert == "" && key == "":
		e.ClientCertificate, e.ClientKey = "", config.Secret{}
	case cert == "":
		c.add("client_key", "requires client_certificate")
	case cert == e.ClientCertificate && key == "": // whoever only describes endpoints has no keys
	default:
		e.ClientCertificate = cert
		if key != "" { // else a renewed certificate for the key that is there
			e.ClientKey = config.NewSecret(key)
		}
		c.storedIdentity(e)
	}
}

// storedIdentity checks that the client's certificate comes with its key.
func (c *checker) storedIdentity(e *Endpoint) {
	c.check("ca", checkCA(e.CA))
	if e.ClientCertificate == "" && e.ClientKey.IsZero() {
		return
	}
	if e.ClientKey.IsZero() {
		c.add("client_key", "is required with client_certificate")
		return
	}
	_, err := e.ClientPair()
	c.check("client_certificate", err)
}

var (
	errPEM  = errors.New("must be certificates in PEM, of at most 64 KiB")
	errPair = errors.New("must be a certificate in PEM, with its chain, and client_key its unencrypted key in PEM")
)

// ClientPair is the certificate that Jethook shows the receiver. The endpoint must have one. The error tells nothing of the key.
func (e *Endpoint) ClientPair() (tls.Certificate, error) {
	if len(e.ClientCertificate) > maxPEM || len(e.ClientKey.Reveal()) > maxPEM {
		return tls.Certificate{}, errPair
	}
	pair, err := tls.X509KeyPair([]byte(e.ClientCertificate), []byte(e.ClientKey.Reveal()))
	if err != nil {
		return tls.Certificate{}, errPair
	}
	return pair, nil
}

// checkCA accepts nothing but certificates: who pastes a key there must not have it shown.
func checkCA(text string) error {
	if len(text) > maxPEM {
		return errPEM
	}
	for rest := []byte(text); len(rest) > 0; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil || block.Type != "CERTIFICATE" {
			return errPEM
		}
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			return errPEM
		}
	}
	return nil
}

// trimPEM makes texts equal that differ in the white space around them.
func trimPEM(text string) string {
	if text = strings.TrimSpace(text); text == "" {
		return ""
	}
	return text + "\n"
}
