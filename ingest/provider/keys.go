package provider

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/url"
	"strings"
	"sync/atomic"

	"github.com/go-jose/go-jose/v4"
)

// KeySource gets documents that senders publish: key sets and certificates. It bounds the size of a document and
// the time and rate of fetching, keeps what it fetched for a while, asks for the same document once at a time,
// and follows no redirect. It may be used by any number of goroutines.
type KeySource interface {
	// Fetch returns the document. The error is not shown to the sender.
	Fetch(KeyRequest) ([]byte, error)
}

// KeyRequest names a document. Its URL is https, at a host that the sender's row allows.
type KeyRequest struct {
	URL string
	// Body is posted as JSON; GET if nil. It may hold a secret.
	Body []byte
	// Fixed means that nothing of it comes from a request: there is but one such document of a sender.
	Fixed bool
	// Newer asks for a copy newer than the kept one, since that lacks a key. Who sends requests can choose names
	// of keys, so a source does this only once in a while.
	Newer bool
}

// StaticKeys is a KeySource that fetches nothing: the keys are given. The zero StaticKeys has none.
type StaticKeys struct {
	JWKS  []byte            // a JSON Web Key Set, whatever the URL
	Certs map[string][]byte // PEM by URL
}

// Fetch implements [KeySource].
func (s StaticKeys) Fetch(r KeyRequest) ([]byte, error) {
	if cert, found := s.Certs[r.URL]; found {
		return cert, nil
	}
	if s.JWKS == nil {
		return nil, fmt.Errorf("none is given for %s", r.URL)
	}
	return s.JWKS, nil
}

// fetch is Fetch with the errors of this package.
func fetch(source KeySource, r KeyRequest) ([]byte, error) {
	if source == nil {
		return nil, fmt.Errorf("nothing to fetch with: %w", ErrKeyUnavailable)
	}
	document, err := source.Fetch(r)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKeyUnavailable, err)
	}
	return document, nil
}

// keySet looks keys up in a published key set, and parses it again only when it changed.
type keySet struct {
	source KeySource
	parsed atomic.Pointer[parsedKeys]
}

type parsedKeys struct {
	document []byte
	set      jose.JSONWebKeySet
}

// key returns the public key of that id, whose algorithm is the one given if it names any.
func (k *keySet) key(request KeyRequest, id, algorithm string) (any, error) {
	for _, newer := range [...]bool{false, true} {
		request.Newer = newer
		document, err := fetch(k.source, request)
		if err != nil {
			return nil, err
		}
		set, err := k.parse(document)
		if err != nil {
			return nil, err
		}
		for _, key := range set.Key(id) {
			// A symmetric key is none that a sender publishes: who reads it could sign.
			if key.IsPublic() && key.Valid() && key.Use != "enc" && (key.Algorithm == "" || key.Algorithm == algorithm) {
				return key.Key, nil
			}
		}
	}
	return nil, ErrUnknownKey
}

// parse reads a JSON Web Key Set, or one key as "key", which is how Plaid answers.
func (k *keySet) parse(document []byte) (*jose.JSONWebKeySet, error) {
	if last := k.parsed.Load(); last != nil && bytes.Equal(last.document, document) {
		return &last.set, nil
	}
	var read struct {
		Keys []json.RawMessage `json:"keys"`
		Key  json.RawMessage   `json:"key"`
	}
	if err := json.Unmarshal(document, &read); err != nil {
		return nil, fmt.Errorf("reading keys: %w: %w", ErrKeyUnavailable, err)
	}
	parsed := &parsedKeys{document: document}
	for _, text := range append(read.Keys, read.Key) {
		// A key of a kind that is not known does not hide the others.
		var key jose.JSONWebKey
		if len(text) > 0 && key.UnmarshalJSON(text) == nil && !withdrawn(text) {
			parsed.set.Keys = append(parsed.set.Keys, key)
		}
	}
	k.parsed.Store(parsed)
	return &parsed.set, nil
}

// withdrawn reports whether a key says that it is no longer used, as Plaid's do:
// https://plaid.com/docs/api/webhooks/webhook-verification/
func withdrawn(key []byte) bool {
	var read struct {
		ExpiredAt json.RawMessage `json:"expired_at"`
	}
	return json.Unmarshal(key, &read) != nil || len(read.ExpiredAt) > 0 && string(read.ExpiredAt) != "null"
}

// certificate fetches a certificate in PEM. It is not checked against roots nor for its age, as the senders'
// own libraries don't: the host that it comes from, over TLS, vouches for it.
func certificate(source KeySource, address string) (*x509.Certificate, error) {
	document, err := fetch(source, KeyRequest{URL: address})
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(document)
	if block == nil {
		return nil, fmt.Errorf("no PEM: %w", ErrKeyUnavailable)
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("reading certificate: %w: %w", ErrKeyUnavailable, err)
	}
	return cert, nil
}

// allowedURL reports whether s is a plain https address at a host that allow takes: no port, no credentials, no
// fragment.
func allowedURL(s string, allow func(host string) bool) bool {
	u, err := url.Parse(s)
	return err == nil && u.Scheme == "https" && u.User == nil && u.Opaque == "" && u.Fragment == "" &&
		u.Host == u.Hostname() && allow(strings.ToLower(u.Host)) && u.String() == s
}
