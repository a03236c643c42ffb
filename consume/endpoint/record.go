package endpoint

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"jethook/config"
	"jethook/config/keyring"
	"jethook/consume/endpoint/signing"
	"jethook/publish/seal"
)

// record is an Endpoint without its methods.
type record Endpoint

// stored is an endpoint in the bucket, in clear.
type stored struct {
	record
	Edition uint64         `json:"edition,omitempty"`
	Request string         `json:"request,omitempty"`
	Secrets []storedSecret `json:"secrets,omitempty"`
	Key     string         `json:"client_key,omitempty"`
	Sealed  string         `json:"sealed,omitempty"` // of an earlier release: what is confidential, and only that
}

// confidential is what an earlier release sealed.
type confidential struct {
	Request string            `json:"request,omitempty"`
	Secrets []storedSecret    `json:"secrets"`
	Headers map[string]string `json:"headers,omitempty"`
}

type storedSecret struct {
	Value   string             `json:"value"`
	Type    signing.SecretType `json:"type,omitempty"`
	Expires time.Time          `json:"expires,omitzero"`
	Request string             `json:"request,omitempty"`
}

// envelope is an endpoint in the bucket, sealed whole: nobody but who has the key can read any of it, or change where
// its secrets are sent. An earlier release, which takes Sealed for the secrets alone, can't open it and stops.
type envelope struct {
	ID     string `json:"id"`
	Whole  bool   `json:"whole"`
	Sealed string `json:"sealed"`
}

// wholePlace and partPlace bind what is sealed to its endpoint and to its form: nothing else opens with it.
func wholePlace(id string) string { return "endpoint record " + id }
func partPlace(id string) string  { return "endpoint " + id }

// maxRecordBytes bounds a record before anything of it is read. The largest that the API makes is smaller.
const maxRecordBytes = 2 << 20

// Encode returns e as the bucket stores it, sealed whole by keys. Without a key it is in clear: nothing else may
// show it.
func Encode(e Endpoint, keys *keyring.Keyring) ([]byte, error) {
	s := stored{record: record(e), Edition: e.Edition, Request: e.Request, Key: e.ClientKey.Reveal(), Secrets: make([]storedSecret, len(e.Secrets))}
	for i, secret := range e.Secrets {
		s.Secrets[i] = storedSecret{secret.Value.Reveal(), secret.Type, secret.Expires, secret.Request}
	}
	data, err := json.Marshal(s)
	if err == nil && !keys.IsEmpty() {
		data, err = json.Marshal(envelope{ID: e.ID, Whole: true, Sealed: keys.Seal(data, wholePlace(e.ID))})
	}
	if err != nil {
		return nil, fmt.Errorf("encoding endpoint %s: %w", e.ID, err)
	}
	return data, nil
}

// Decode reads what Encode wrote for the endpoint id, and what earlier releases wrote unless sealedOnly is set: then
// a record that is not sealed whole is refused. Its fields are checked as those of a new endpoint are, except that
// the URL's host is not held against the address policy, which every delivery is. Fields that only a newer version
// knows are ignored, so that processes of two versions can share a bucket. The error wraps
// [publish.ErrUnreadable] and holds no secret.
func Decode(id string, data []byte, keys *keyring.Keyring, sealedOnly bool) (Endpoint, error) {
	e, err := decode(id, data, keys, sealedOnly)
	if err != nil {
		return Endpoint{}, fmt.Errorf("endpoint %s: %w: %w", id, seal.ErrUnreadable, err)
	}
	return e, nil
}

var errForm = errors.New("it is not JSON of the right form")

func decode(id string, data []byte, keys *keyring.Keyring, sealedOnly bool) (Endpoint, error) {
	if len(data) > maxRecordBytes {
		return Endpoint{}, fmt.Errorf("it is larger than %d bytes", maxRecordBytes)
	}
	var outer envelope
	if json.Unmarshal(data, &outer) != nil {
		return Endpoint{}, errForm
	}
	switch {
	case outer.Whole:
		var err error
		if data, err = keys.Open(outer.Sealed, wholePlace(id)); err != nil {
			return Endpoint{}, err
		}
	case sealedOnly:
		return Endpoint{}, seal.ErrUnsealed
	}
	var s stored
	if json.Unmarshal(data, &s) != nil {
		return Endpoint{}, errForm
	}
	if s.Sealed != "" {
		if err := s.unseal(id, keys); err != nil {
			return Endpoint{}, err
		}
	}
	e := Endpoint(s.record)
	e.ClientKey = config.NewSecret(s.Key)
	e.Edition, e.Request, e.Secrets = s.Edition, s.Request, make([]signing.Secret, len(s.Secrets))
	for i, secret := range s.Secrets {
		e.Secrets[i] = signing.Secret{Value: config.NewSecret(secret.Value), Type: secret.Type, Expires: secret.Expires, Request: secret.Request}
	}
	if err := e.check(id); err != nil {
		return Endpoint{}, err
	}
	return e, nil
}

// unseal opens what an earlier release sealed.
func (s *stored) unseal(id string, keys *keyring.Keyring) error {
	plain, err := keys.Open(s.Sealed, partPlace(id))
	if err != nil {
		return err
	}
	var c confidential
	if json.Unmarshal(plain, &c) != nil {
		return errForm
	}
	s.Request, s.Secrets, s.Headers = c.Request, c.Secrets, c.Headers
	return nil
}

// IsCurrent reports whether data is as Encode would write it with these keys today.
func IsCurrent(keys *keyring.Keyring, data []byte) bool {
	var outer envelope
	return keys.IsEmpty() || json.Unmarshal(data, &outer) == nil && outer.Whole && keys.IsCurrent(outer.Sealed)
}
