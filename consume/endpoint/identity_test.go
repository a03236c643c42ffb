package endpoint

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"jethook/config"
	"jethook/config/keyring"
)

// pairPEM returns a certificate with its key, in PEM.
func pairPEM(t *testing.T, key *ecdsa.PrivateKey) (cert, private string) {
	t.Helper()
	want := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, want, want, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}))
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestClientCertificate(t *testing.T) {
	t.Parallel()
	key := newKey(t)
	cert, private := pairPEM(t, key)
	renewed, _ := pairPEM(t, key)
	other, otherPrivate := pairPEM(t, newKey(t))
	name, url := "a", "https://example.com/hook"
	blank, err := New(&Spec{Name: &name, URL: &url, Events: []string{"events.>"}}, nil, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	set := func(e Endpoint, cert, key, ca *string) (Endpoint, error) {
		return e.With(&Spec{ClientCertificate: cert, ClientKey: key, CA: ca}, nil, time.Now())
	}
	spaced, empty := "\n"+cert+"\n\n", ""
	whole, err := set(blank, &spaced, &private, &other)
	if err != nil || whole.ClientCertificate != cert || whole.ClientKey.Reveal() != private || whole.CA != other {
		t.Fatalf("%v, %+v", err, whole)
	}
	for _, step := range []struct {
		what          string
		from          Endpoint
		cert, key, ca *string
		field         string // that is wrong; empty: none
		hasCert       string
	}{
		{"nothing", whole, nil, nil, nil, "", cert},
		{"the same without its key", whole, &spaced, &empty, nil, "", cert},
		{"renewed for the same key", whole, &renewed, nil, nil, "", renewed},
		{"another pair", whole, &other, &otherPrivate, nil, "", other},
		{"removed", whole, &empty, nil, nil, "", ""},
		{"another without its key", whole, &other, nil, nil, "client_certificate", ""},
		{"another key", whole, nil, &otherPrivate, nil, "client_certificate", ""},
		{"a certificate alone", blank, &cert, nil, nil, "client_key", ""},
		{"a key alone", blank, nil, &private, nil, "client_key", ""},
		{"a key for a certificate", blank, &private, &cert, nil, "client_certificate", ""},
		{"a key as authority", blank, nil, nil, &private, "ca", ""},
		{"any text as authority", blank, nil, nil, &url, "ca", ""},
		{"an authority and more", blank, nil, nil, ptr(cert + private), "ca", ""},
	} {
		got, err := set(step.from, step.cert, step.key, step.ca)
		if step.field != "" {
			if err == nil || !strings.HasPrefix(err.Error(), step.field+" ") || strings.Contains(err.Error(), "BEGIN") {
				t.Errorf("%s: %v, want a problem of %s", step.what, err, step.field)
			}
			continue
		}
		if err != nil || got.ClientCertificate != step.hasCert || got.ClientKey.IsZero() != (step.hasCert == "") {
			t.Errorf("%s: %v, %+v", step.what, err, got)
		}
	}
	shown, _ := json.Marshal(whole)
	if text := fmt.Sprintf("%s %+v %#v", shown, whole, whole); strings.Contains(text, "PRIVATE") {
		t.Errorf("the key is shown: %s", text)
	}

	for _, keys := range [][]config.Secret{nil, {config.NewSecret("a-key-of-the-tests-0123456789abcd")}} {
		ring, err := keyring.New(keys)
		if err != nil {
			t.Fatal(err)
		}
		data, err := Encode(whole, ring)
		if err != nil {
			t.Fatal(err)
		}
		back, err := Decode(whole.ID, data, ring, keys != nil)
		if err != nil || back.ClientKey.Reveal() != private || back.ClientCertificate != cert || back.CA != other {
			t.Errorf("stored: %v, %+v", err, back)
		}
		if keys != nil && strings.Contains(string(data), "CERTIFICATE") {
			t.Error("the certificate is not sealed")
		}
		torn := whole
		torn.ClientKey = config.NewSecret(otherPrivate)
		if data, err = Encode(torn, ring); err != nil {
			t.Fatal(err)
		}
		if _, err := Decode(whole.ID, data, ring, false); err == nil {
			t.Error("a certificate with another's key was read")
		}
	}
}

func ptr(s string) *string { return &s }
