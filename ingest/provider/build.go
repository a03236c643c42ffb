package provider

import (
	"fmt"
	"strings"
)

// Names of the configurable senders.
const (
	customHMAC  = "hmac"
	customToken = "token"
)

// Options are what an operator may set for a sender: where a type and an id stand for any of them, the rest
// for the configurable ones, hmac and token. Empty means the default.
type Options struct {
	Header    string // the header that holds the signature or the token; it has no default
	Prefix    string // what stands before it; default none
	Algorithm string // sha256 (default), sha1 or sha512; hmac only
	Encoding  string // hex (default), base64 or base64url; hmac only
	Type      string // as ParseValue reads; default json:type
	ID        string // as ParseValue reads, but no constant; default none
}

// OptionError is a fault in one option.
type OptionError struct {
	Option  string // PROVIDER, HEADER, PREFIX, ALGORITHM, ENCODING, TYPE or ID, as its variable ends
	Problem string
}

// Error implements error.
func (e OptionError) Error() string { return e.Option + ": " + e.Problem }

// Build returns the named sender with the options applied, or everything that is wrong with them.
func Build(name string, o Options) (Sender, []OptionError) {
	b := builder{o: o}
	s := b.sender(name)
	batch := Batch{}
	if s.Batch != nil {
		batch = *s.Batch
		s.Batch = &batch
	}
	// Of a sender of several events at once, the options are about each event, or about the request kept whole.
	if o.Type != "" {
		s.Type = b.value("TYPE", o.Type)
		s.StoredType, batch.Type = Value{}, s.Type
	}
	if o.ID != "" {
		s.ID = b.value("ID", o.ID)
		s.StoredID, batch.ID, batch.Request = Value{}, s.ID, s.ID
		if s.ID.has(constant) {
			b.fail("ID", "a constant would make every event a duplicate of the first")
		}
	}
	return s, b.faults
}

type builder struct {
	o      Options
	faults []OptionError
}

func (b *builder) fail(option, problem string) {
	b.faults = append(b.faults, OptionError{option, problem})
}

func (b *builder) sender(name string) Sender {
	custom := Sender{Name: name, Type: JSON("type"), Success: success202, Refusal: refusal401}
	switch name {
	case customHMAC:
		custom.Title, custom.Secret, custom.Scheme = "any sender with an HMAC", sharedSecret, b.hmac()
		return custom
	case customToken:
		custom.Title, custom.Secret, custom.Scheme = "any sender with a token", ownToken, b.token()
		return custom
	}
	s, found := Lookup(name)
	if !found {
		b.fail("PROVIDER", fmt.Sprintf("unknown sender %q; %s", name, similar(name)))
		return s
	}
	const fixed = "only the hmac and token senders take it; "
	if s.OwnHeader && b.o.Header != "" {
		s.Scheme = atHeader(s.Scheme, b.header())
	} else {
		b.unset("HEADER", b.o.Header, fixed+name+" has its own")
	}
	b.unset("PREFIX", b.o.Prefix, fixed+name+" has its own")
	b.unset("ALGORITHM", b.o.Algorithm, "only the hmac sender takes it; "+name+" has its own")
	b.unset("ENCODING", b.o.Encoding, "only the hmac sender takes it; "+name+" has its own")
	return s
}

// atHeader is the scheme with its proof in another header.
func atHeader(s Scheme, header Value) Scheme {
	switch s := s.(type) {
	case HMAC:
		s.From = []Value{header}
		return s
	case Token:
		s.From = header
		return s
	}
	return s
}

// similar names the senders that may be meant, by their first letters.
func similar(name string) string {
	const enough = 3
	var names []string
	for _, n := range Names() {
		if len(name) >= enough && strings.HasPrefix(n, strings.ToLower(name[:enough])) {
			names = append(names, n)
		}
	}
	if len(names) == 0 {
		return "'jethook help senders' lists all; hmac and token can be set up for others"
	}
	return "did you mean " + strings.Join(names, ", ") + "? 'jethook help senders' lists all"
}

func (b *builder) hmac() Scheme {
	s := HMAC{Signature: Signature{From: []Value{b.header()}, Format: Prefixed(b.o.Prefix)}}
	switch strings.ToLower(b.o.Algorithm) {
	case "", "sha256":
	case "sha1":
		s.Hash = SHA1
	case "sha512":
		s.Hash = SHA512
	default:
		b.fail("ALGORITHM", fmt.Sprintf("unknown %q; want sha256, sha1 or sha512", b.o.Algorithm))
	}
	switch strings.ToLower(b.o.Encoding) {
	case "", "hex":
	case "base64":
		s.Encoding = Base64
	case "base64url":
		s.Encoding = Base64URL
	default:
		b.fail("ENCODING", fmt.Sprintf("unknown %q; want hex, base64 or base64url", b.o.Encoding))
	}
	return s
}

func (b *builder) token() Scheme {
	b.unset("ALGORITHM", b.o.Algorithm, "only the hmac sender takes it")
	b.unset("ENCODING", b.o.Encoding, "only the hmac sender takes it")
	return Token{From: b.header(), Prefix: b.o.Prefix}
}

func (b *builder) header() Value {
	switch {
	case b.o.Header == "":
		b.fail("HEADER", "must name the header that holds the signature or the token")
	case !validHeaderName(b.o.Header):
		b.fail("HEADER", fmt.Sprintf("%q is no header name", b.o.Header))
	}
	return Header(b.o.Header)
}

func (b *builder) unset(option, value, problem string) {
	if value != "" {
		b.fail(option, problem)
	}
}

func (b *builder) value(option, s string) Value {
	v, err := ParseValue(s)
	if err != nil {
		b.fail(option, fmt.Sprintf("%q: %v", s, err))
	}
	return v
}
