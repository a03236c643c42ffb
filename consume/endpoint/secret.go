package endpoint

import (
	"slices"
	"time"

	"jethook/consume/endpoint/signing"
)

// maxSecrets is how many secrets may be live at once: each costs a signature in every delivery.
const maxSecrets = 5

// Successor returns the secret that is to follow the endpoint's newest: the one in text, or a new one if text is empty. A
// receiver takes the kind that it has: so without a type a new one is written as the newest is, with its prefix, alphabet
// and length. Where that can't be told the secret must be given. The error is a [Problems].
func (e *Endpoint) Successor(text string, as signing.SecretType) (signing.Secret, error) {
	newest := e.Secrets[0]
	if err := as.Check(); err != nil {
		return signing.Secret{}, Problems{{Field: "secret_type", Message: err.Error()}}
	}
	if text != "" {
		next, err := signing.ReadSecret(text, as, e.Signature.Scheme, &newest)
		if err != nil {
			return signing.Secret{}, Problems{{Field: "secret", Message: err.Error()}}
		}
		return next, nil
	}
	if as != "" {
		return signing.Generate(as), nil
	}
	next, ok := newest.Successor()
	if !ok {
		return signing.Secret{}, Problems{{Field: "secret", Message: "is required: the current secret is a text of your own, and the receiver may reject another form"}}
	}
	return next, nil
}

// Rotated returns the endpoint with next as its newest secret. The secrets before it stay live for overlap,
// or until they expire by themselves; when there are more than five, the oldest go. The receiver stays as it
// was. The error is a [Problems].
func (e *Endpoint) Rotated(next signing.Secret, overlap time.Duration, now time.Time) (Endpoint, error) {
	out := *e
	next.Expires = time.Time{}
	out.Secrets = []signing.Secret{next}
	if err := out.checkSecret(); err != nil {
		return Endpoint{}, Problems{{Field: "secret", Message: err.Error()}}
	}
	end := now.Add(overlap).UTC()
	for _, old := range e.Secrets {
		if old.Expires.IsZero() || old.Expires.After(end) {
			old.Expires = end
		}
		if old.Live(now) && len(out.Secrets) < maxSecrets {
			out.Secrets = append(out.Secrets, old)
		}
	}
	out.UpdatedAt = now.UTC()
	out.Edition++
	return out, nil
}

// LiveSecrets returns the secrets that have not expired, the newest first.
func (e *Endpoint) LiveSecrets(now time.Time) []signing.Secret {
	return slices.DeleteFunc(slices.Clone(e.Secrets), func(s signing.Secret) bool { return !s.Live(now) })
}

// checkSecret says what keeps the newest secret from signing by the endpoint's schemes.
func (e *Endpoint) checkSecret() error {
	err := e.Secrets[0].Check(e.Signature.Scheme)
	if err == nil && e.Second != nil {
		err = e.Secrets[0].Check(e.Second.Scheme)
	}
	return err
}
