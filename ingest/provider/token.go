package provider

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tidwall/gjson"
)

// Token is the family of senders that send the secret itself. It says nothing about the body.
type Token struct {
	// From is where the token stands. Any line of a repeated header may match.
	From Value
	// Prefix stands before the token, in any case, such as "Bearer".
	Prefix string
	// Or is where the token stands without a prefix when it is not at From.
	Or Value
	// Each names a list in a JSON body whose every item holds the token at From.
	Each      string
	Timestamp Timestamp
}

// Credentials implements [Scheme].
func (s Token) Credentials() []string {
	return append(s.From.headerNames(), s.Or.headerNames()...)
}

func (s Token) proofHeaders() []string {
	return append(s.Credentials(), s.Timestamp.From.headerNames()...)
}

// CoversBody implements [Scheme].
func (s Token) CoversBody() bool { return false }

// String implements [Scheme].
func (s Token) String() string {
	words := "token in " + s.From.String()
	if s.Each != "" {
		words += " of each json:" + s.Each
	}
	if s.Or.kind != nowhere {
		words += " or " + s.Or.String()
	}
	return words
}

func (s Token) tolerance() time.Duration { return s.Timestamp.Tolerance }

func (s Token) signedAt(r *Request) (time.Time, bool) {
	if s.Timestamp.Tolerance == 0 {
		return time.Time{}, false
	}
	return s.Timestamp.read(r, "")
}

// Bind implements [Scheme].
func (s Token) Bind(b Binding) (Verifier, error) {
	v := &tokenVerifier{Token: s}
	err := eachSecret(b, func(secret string) error {
		v.known = append(v.known, sha256.Sum256([]byte(secret)))
		return nil
	})
	if err != nil {
		return nil, err
	}
	return v, nil
}

type tokenVerifier struct {
	Token
	known tokens
}

// Signed implements [Verifier].
func (v *tokenVerifier) Signed(*Request) ([]byte, error) { return nil, nil }

// Verify implements [Verifier].
func (v *tokenVerifier) Verify(r *Request, now time.Time) error {
	if err := v.Timestamp.check(r, "", now); err != nil {
		return err
	}
	switch {
	case v.Each != "":
		return v.verifyEach(r)
	case v.Or.kind != nowhere && !v.From.present(r) && v.Or.present(r):
		return v.verifyText(v.Or.find(r))
	case v.From.kind == inHeader:
		return v.verifyLines(r.Header[v.From.arg])
	}
	token, err := v.From.only(r)
	if err != nil {
		return err
	}
	return v.verifyText(token)
}

func (v *tokenVerifier) verifyText(token string) error {
	if !v.known.contain(token) {
		return ErrBadSignature
	}
	return nil
}

func (v *tokenVerifier) verifyLines(lines []string) error {
	if len(lines) == 0 {
		return v.From.missing()
	}
	formed := false
	for _, line := range lines[:min(len(lines), maxSignatures)] {
		token, ok := cutPrefix(line, v.Prefix)
		if !ok || token == "" {
			continue
		}
		if v.known.contain(token) {
			return nil
		}
		formed = true
	}
	if !formed {
		return v.From.malformed()
	}
	return ErrBadSignature
}

// verifyEach wants the token in every item: one without it was put beside the others by somebody else.
func (v *tokenVerifier) verifyEach(r *Request) error {
	if !r.validJSON() {
		return fmt.Errorf("no JSON: %w", ErrMalformedBody)
	}
	items := gjson.Get(view(r.text()), v.Each)
	if !items.IsArray() || items.Get("#").Int() == 0 {
		return fmt.Errorf("json:%s: %w", v.Each, ErrMissingField)
	}
	var err error
	items.ForEach(func(_, item gjson.Result) bool {
		if token := scalar(item.Get(v.From.arg)); token == "" {
			err = v.From.missing()
		} else {
			err = v.verifyText(token)
		}
		return err == nil
	})
	return err
}

// tokens are hashes, all of one length: the time of comparing strings would tell theirs.
type tokens [][sha256.Size]byte

func (t tokens) contain(token string) bool {
	sum := sha256.Sum256([]byte(token))
	found := 0
	for i := range t {
		found |= subtle.ConstantTimeCompare(t[i][:], sum[:])
	}
	return found == 1
}

// equalText compares in constant time, whatever the lengths.
func equalText(a, b string) bool {
	return tokens{sha256.Sum256([]byte(a))}.contain(b)
}

// Basic is the family of senders that log in with a name and a password, as user:password. It says nothing about
// the body.
type Basic struct{}

const authorization = "Authorization"

// Credentials implements [Scheme].
func (Basic) Credentials() []string { return []string{authorization} }

// CoversBody implements [Scheme].
func (Basic) CoversBody() bool { return false }

// String implements [Scheme].
func (Basic) String() string { return "basic authentication" }

// Bind implements [Scheme].
func (Basic) Bind(b Binding) (Verifier, error) {
	encoded := slices.Clone(b.Secrets)
	err := eachSecret(b, func(secret string) error {
		if !strings.Contains(secret, ":") {
			return fmt.Errorf("want user:password: %w", ErrBadSecret)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for i, secret := range encoded {
		encoded[i] = base64.StdEncoding.EncodeToString([]byte(secret))
	}
	return Token{From: Header(authorization), Prefix: "Basic "}.Bind(Binding{Secrets: encoded})
}
