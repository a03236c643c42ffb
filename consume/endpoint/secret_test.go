package endpoint_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"jethook/config"
	"jethook/consume/endpoint"
	"jethook/consume/endpoint/signing"
)

// What an earlier release stored, without a type, signs as it did.
func TestStoredSecretsAreNotReadAnew(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "v1,whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsk_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"} {
		e := mustNew(t, validSpec())
		record := fmt.Sprintf(`{"id":%q,"name":"n","url":"https://example.com","events":["events.a"],"format":"raw","signature":{"scheme":"standard"},`+
			`"created_at":"2026-01-02T03:04:05Z","updated_at":"2026-01-02T03:04:05Z","disabled":false,"secrets":[{"value":%q}]}`, e.ID, text)
		old, err := endpoint.Decode(e.ID, []byte(record), nil, false)
		if err != nil {
			t.Fatal(err)
		}
		check := func(e endpoint.Endpoint) {
			t.Helper()
			if got := string(e.Secrets[0].Key(signing.SchemeStandard)); got != text || e.Secrets[0].PublicKey() != "" {
				t.Errorf("%s: key %q", text, got)
			}
		}
		check(old)
		changed, err := old.With(&endpoint.Spec{Name: new("m")}, public, testNow)
		if err != nil {
			t.Fatal(err)
		}
		data, err := endpoint.Encode(changed, nil)
		if err != nil {
			t.Fatal(err)
		}
		again, err := endpoint.Decode(e.ID, data, nil, false)
		if err != nil {
			t.Fatal(err)
		}
		check(again)
		// Its receiver reads the next one in the same way.
		if next, err := again.Successor("C2FVsBQIhrscChlQIMVub5sSYspob7oD", ""); text[0] == 'M' && (err != nil || next.Kind("standard") != signing.SecretText) {
			t.Errorf("%s: followed by %s, %v", text, next.Kind("standard"), err)
		}
	}
}

// A type is kept with the secret, and holds after its endpoint was changed.
func TestSecretTypesAreStored(t *testing.T) {
	t.Parallel()
	for _, as := range []string{"text", "base64", "ed25519"} {
		s := validSpec()
		s.SecretType = &as
		e := mustNew(t, s)
		data, err := endpoint.Encode(e, nil)
		if err != nil {
			t.Fatal(err)
		}
		got, err := endpoint.Decode(e.ID, data, nil, false)
		if err != nil || got.Secrets[0].Type != signing.SecretType(as) || got.Secrets[0].Value.Reveal() != e.Secrets[0].Value.Reveal() {
			t.Errorf("%s: %v, %v", as, got.Secrets, err)
		}
	}
}

// A new secret is of the kind that the receiver has, or has to be given.
func TestSuccessorKeepsTheKind(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "v1,whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
		"polar_whs_ovyN6cPrTv56AApvzCaJno08SSmGJmgbWilb33N2JuK", "0123456789abcdef0123456789abcdef", "0123456789ABCDEF0123456789ABCDEF",
		"sk_live_51HqLyjWDarjtT1zdp7dcAbCd", "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg==",
	} {
		s := validSpec()
		s.Secret = &text
		e := mustNew(t, s)
		next, err := e.Successor("", "")
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		is := next.Value.Reveal()
		prefix := text[:strings.LastIndex(text, "_")+1]
		if is == text || len(is) != len(text) || !strings.HasPrefix(is, prefix) || next.Kind("standard") != e.Secrets[0].Kind("standard") {
			t.Errorf("%s became %s, %s", text, is, next.Kind("standard"))
		}
		if prefix == "" && strings.ToLower(text) == text && strings.ToLower(is) != is {
			t.Errorf("%s became %s", text, is)
		}
		if _, err := e.Rotated(next, time.Hour, testNow); err != nil {
			t.Errorf("%s became %s: %v", text, is, err)
		}
	}
	for _, text := range []string{"a plain secret", "correct-horse-battery-staple-horse", "hunter22", "It's a Secret to Everybody"} {
		s := validSpec()
		s.Secret = &text
		e := mustNew(t, s)
		var problems endpoint.Problems
		if _, err := e.Successor("", ""); !errors.As(err, &problems) || problems[0].Field != "secret" || strings.Contains(err.Error(), text) {
			t.Errorf("%s: %v", text, err)
		}
		if next, err := e.Successor("", signing.SecretEd25519); err != nil || next.PublicKey() == "" {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// A private key never signs by a scheme whose receivers share the secret.
func TestPrivateKeysAreNotShared(t *testing.T) {
	t.Parallel()
	as := "ed25519"
	for field, change := range map[string]*endpoint.Spec{
		"signature": {Signature: &endpoint.SignatureSpec{Like: "github"}}, "bearer": {Signature: &endpoint.SignatureSpec{Scheme: "bearer"}},
		"second": {Second: &endpoint.SignatureSpec{Scheme: "hmac"}},
	} {
		s := validSpec()
		s.SecretType = &as
		e := mustNew(t, s)
		if _, err := e.With(change, public, testNow); err == nil || !strings.Contains(err.Error(), "private key") {
			t.Errorf("%s: %v", field, err)
		}
	}
	e := mustNew(t, validSpec())
	e.Signature = signing.Signature{Scheme: signing.SchemeHMAC, Header: "X-Sig"}
	key := "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=="
	if _, err := e.Rotated(signing.Secret{Value: config.NewSecret(key), Type: signing.SecretEd25519}, 0, testNow); err == nil {
		t.Error("hmac took a private key")
	}
}

// Every field of a signature is checked, and named when it is wrong.
func TestSignatureProblems(t *testing.T) {
	t.Parallel()
	hmac := func(s endpoint.SignatureSpec) *endpoint.SignatureSpec { s.Scheme = "hmac"; return &s }
	for field, s := range map[string]*endpoint.Spec{
		"signature.like":           {Signature: &endpoint.SignatureSpec{Like: "nobody"}},
		"signature.scheme":         {Signature: &endpoint.SignatureSpec{Like: "github", Scheme: "bearer"}},
		"signature.algorithm":      {Signature: hmac(endpoint.SignatureSpec{Algorithm: "md5"})},
		"signature.encoding":       {Signature: hmac(endpoint.SignatureSpec{Encoding: "base32"})},
		"signature.prefix":         {Signature: hmac(endpoint.SignatureSpec{Prefix: "a{body}"})},
		"signature.template":       {Signature: hmac(endpoint.SignatureSpec{Template: "t={timestamp}"})},
		"signature.signed":         {Signature: hmac(endpoint.SignatureSpec{Signed: "{timestamp}"})},
		"signature.timestamp":      {Signature: hmac(endpoint.SignatureSpec{Timestamp: "Host"})},
		"signature":                {Signature: &endpoint.SignatureSpec{Scheme: "standard", Prefix: "x"}},
		"second_signature":         {Signature: &endpoint.SignatureSpec{Like: "github"}, Second: &endpoint.SignatureSpec{Like: "github"}},
		"second_signature.header":  {Second: &endpoint.SignatureSpec{Scheme: "hmac", Header: "Host"}},
		"headers.Stripe-Signature": {Signature: &endpoint.SignatureSpec{Like: "stripe"}, Headers: map[string]string{"stripe-signature": "1"}},
		"secret_type":              {SecretType: new("md5")},
	} {
		s.Name, s.URL, s.Events = new("n"), new("https://example.com"), []string{"events.a"}
		var problems endpoint.Problems
		if _, err := endpoint.New(s, public, testNow); !errors.As(err, &problems) || problems[0].Field != field {
			t.Errorf("%s: %v", field, err)
		}
	}
}

// What a signature is like is stored in full, and null takes a second one away.
func TestSignaturesAreStoredInFull(t *testing.T) {
	t.Parallel()
	s := validSpec()
	s.Signature, s.Second = &endpoint.SignatureSpec{Like: "stripe", Header: "x-sig"}, &endpoint.SignatureSpec{Scheme: "standard"}
	e := mustNew(t, s)
	want := signing.Signature{Scheme: "hmac", Header: "X-Sig", Template: "t={timestamp},v1={signature}", Signed: "{timestamp}.{body}"}
	if e.Signature != want || *e.Second != (signing.Signature{Scheme: "standard"}) {
		t.Errorf("got %+v, %+v", e.Signature, e.Second)
	}
	data, err := endpoint.Encode(e, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := endpoint.Decode(e.ID, data, nil, false); err != nil || got.Signature != want || *got.Second != *e.Second {
		t.Errorf("got %+v, %v", got, err)
	}
	if got, err := e.With(&endpoint.Spec{Second: &endpoint.SignatureSpec{}}, public, testNow); err != nil || got.Second != nil || e.Second == nil {
		t.Errorf("got %+v, %v", got.Second, err)
	}
}
