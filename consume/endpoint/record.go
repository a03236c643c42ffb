package endpoint

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"jethook/config"
)

// ErrSealed means that a stored endpoint's secrets can't be decrypted. Going on without that endpoint would lose
// its deliveries, so whoever meets this has to stop.
var ErrSealed = errors.New("its secrets can't be decrypted")

// record is an Endpoint without its methods.
type record Endpoint

// stored is an endpoint in the bucket. What is confidential of it stands in Sealed or, where there is no key, in
// clear in the other fields.
type stored struct {
	record
	Edition uint64         `json:"edition,omitempty"`
	Request string         `json:"request,omitempty"`
	Secrets []storedSecret `json:"secrets,omitempty"`
	Sealed  string         `json:"sealed,omitempty"`
}

// confidential is what is sealed: headers may hold credentials, and Request is a hash over the secret that a
// client gave, which a short secret could be guessed by.
type confidential struct {
	Request string            `json:"request,omitempty"`
	Secrets []storedSecret    `json:"secrets"`
	Headers map[string]string `json:"headers,omitempty"`
}

type storedSecret struct {
	Value   string    `json:"value"`
	Expires time.Time `json:"expires,omitzero"`
	Request string    `json:"request,omitempty"`
}

// sealedPlace binds what is sealed to its endpoint: in another's record it does not open.
func sealedPlace(id string) string { return "endpoint " + id }

// Encode returns e as the bucket stores it, what is confidential sealed by keys. Without a key that is in clear:
// nothing else may show it.
func Encode(e Endpoint, keys *config.Keyring) ([]byte, error) {
	s := stored{record: record(e), Edition: e.Edition, Request: e.Request, Secrets: make([]storedSecret, len(e.Secrets))}
	for i, secret := range e.Secrets {
		s.Secrets[i] = storedSecret{secret.Value.Reveal(), secret.Expires, secret.Request}
	}
	if !keys.IsEmpty() {
		plain, err := json.Marshal(confidential{s.Request, s.Secrets, s.Headers})
		if err != nil {
			return nil, fmt.Errorf("encoding the secrets of endpoint %s: %w", e.ID, err)
		}
		s.Request, s.Secrets, s.Headers = "", nil, nil
		s.Sealed = keys.Seal(plain, sealedPlace(e.ID))
	}
	data, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("encoding endpoint %s: %w", e.ID, err)
	}
	return data, nil
}

// Decode reads what Encode wrote. Fields that only a newer version knows are ignored, so that processes of
// two versions can share a bucket. The error wraps [ErrSealed] when the keys don't fit. It says nothing of the
// content, which holds secrets.
func Decode(data []byte, keys *config.Keyring) (Endpoint, error) {
	var s stored
	if err := json.Unmarshal(data, &s); err != nil {
		return Endpoint{}, errors.New("the stored endpoint is not JSON of the right form")
	}
	if s.Sealed != "" {
		if err := s.unseal(keys); err != nil {
			return Endpoint{}, err
		}
	}
	if s.ID == "" || len(s.Secrets) == 0 {
		return Endpoint{}, errors.New("the stored endpoint has no id or no secret")
	}
	e := Endpoint(s.record)
	e.Edition, e.Request, e.Secrets = s.Edition, s.Request, make([]Secret, len(s.Secrets))
	for i, secret := range s.Secrets {
		e.Secrets[i] = Secret{config.NewSecret(secret.Value), secret.Expires, secret.Request}
	}
	return e, nil
}

func (s *stored) unseal(keys *config.Keyring) error {
	plain, err := keys.Open(s.Sealed, sealedPlace(s.ID))
	if err != nil {
		return fmt.Errorf("endpoint %s: %w: %w", s.ID, ErrSealed, err)
	}
	var c confidential
	if err := json.Unmarshal(plain, &c); err != nil {
		return errors.New("the stored endpoint's secrets are not JSON of the right form")
	}
	s.Request, s.Secrets, s.Headers = c.Request, c.Secrets, c.Headers
	return nil
}

// isSealedBy reports whether data is as Encode would write it with these keys today.
func isSealedBy(keys *config.Keyring, data []byte) bool {
	var s struct{ Sealed string }
	return keys.IsEmpty() || json.Unmarshal(data, &s) == nil && keys.IsCurrent(s.Sealed)
}
