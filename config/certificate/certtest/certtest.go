// Package certtest makes certificates for tests.
package certtest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"testing"
	"time"
)

// Pair is a certificate and its key.
type Pair struct {
	Cert *x509.Certificate
	Key  *ecdsa.PrivateKey
}

// Authority returns an authority of that name, which nobody trusts yet.
func Authority(t testing.TB, name string) *Pair {
	t.Helper()
	var nobody *Pair
	return nobody.Sign(t, &x509.Certificate{Subject: pkix.Name{CommonName: name}, IsCA: true, KeyUsage: x509.KeyUsageCertSign})
}

// Sign makes a key and a certificate for it, as want says, which p has signed, or without a p it itself. It is valid from an
// hour ago for two hours unless want says otherwise.
func (p *Pair) Sign(t testing.TB, want *x509.Certificate) *Pair {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	want.SerialNumber, want.BasicConstraintsValid = big.NewInt(time.Now().UnixNano()), true
	if want.NotAfter.IsZero() {
		want.NotBefore, want.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	}
	if p == nil {
		p = &Pair{want, key}
	}
	der, err := x509.CreateCertificate(rand.Reader, want, p.Cert, &key.PublicKey, p.Key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &Pair{cert, key}
}

// TLS is the pair as a server or a client shows it.
func (p *Pair) TLS() tls.Certificate {
	return tls.Certificate{Certificate: [][]byte{p.Cert.Raw}, PrivateKey: p.Key}
}

// Pool trusts the pair's certificate alone.
func (p *Pair) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(p.Cert)
	return pool
}

// CertPEM is the certificate in PEM.
func (p *Pair) CertPEM() string { return encode("CERTIFICATE", p.Cert.Raw) }

// KeyPEM is the key in PEM.
func (p *Pair) KeyPEM(t testing.TB) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(p.Key)
	if err != nil {
		t.Fatal(err)
	}
	return encode("PRIVATE KEY", der)
}

func encode(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}
