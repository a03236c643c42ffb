package provider

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
)

// URLForm is how Twilio and Mandrill sign: HMAC-SHA1, or SHA-256, in base64 over the address and, sorted by name, each field of
// the form with its value.
type URLForm struct {
	From Value
	// Ports means that the sender may have signed the address with its port or without.
	Ports bool
	// BodyParameter is the parameter of the address that holds the SHA-256 of a body that is no form, in hex.
	// Empty: the body must be a form.
	BodyParameter string
	// Settings is where the sender says that it signs with a shared key, by HMAC-SHA256, and only then: nowhere if it has
	// none. It isn't signed, so what it says counts whole: who takes it out is left with a key that he does not know.
	Settings Value
}

// Credentials implements [Scheme].
func (s URLForm) Credentials() []string { return nil }

func (s URLForm) proofHeaders() []string { return headersIn(s.From, s.Settings) }

// CoversBody implements [Scheme].
func (s URLForm) CoversBody() bool { return true }

// String implements [Scheme].
func (s URLForm) String() string {
	words := "HMAC-SHA1, base64 in " + s.From.String() + " over {url}{sorted form fields}"
	if s.Settings.kind != nowhere {
		words += "; HMAC-SHA256 with " + s.Settings.String()
	}
	return words
}

// Bind implements [Scheme].
func (s URLForm) Bind(b Binding) (Verifier, error) {
	keys, err := bindKeys(b, SHA1, RawKey)
	if err != nil {
		return nil, err
	}
	shared, err := bindKeys(b, SHA256, RawKey)
	return &urlFormVerifier{s, keys, shared}, err
}

type urlFormVerifier struct {
	URLForm
	keys   []*hmacKey // of SHA-1
	shared []*hmacKey // of SHA-256
}

// sharedAlgorithm is the only one that shared keys are documented with.
const sharedAlgorithm = "HMAC_SHA256"

// hash is what the request is signed with.
func (v *urlFormVerifier) hash(r *Request) (Hash, []*hmacKey, error) {
	if v.Settings.kind == nowhere || !v.Settings.present(r) {
		return SHA1, v.keys, nil
	}
	line, err := v.Settings.only(r)
	if err != nil {
		return 0, nil, err
	}
	var algorithms []string
	for pair := range strings.SplitSeq(line, ",") {
		if name, value, _ := strings.Cut(strings.TrimSpace(pair), "="); name == "algorithm" {
			algorithms = append(algorithms, value)
		}
	}
	if !slices.Equal(algorithms, []string{sharedAlgorithm}) {
		return 0, nil, fmt.Errorf("want one algorithm, %s: %w", sharedAlgorithm, v.Settings.malformed())
	}
	return SHA256, v.shared, nil
}

// Signed implements [Verifier].
func (v *urlFormVerifier) Signed(r *Request) ([]byte, error) {
	fields, err := v.fields(r)
	return append([]byte(r.address()), fields...), err
}

// Verify implements [Verifier].
func (v *urlFormVerifier) Verify(r *Request, now time.Time) error {
	_, err := v.match(r, now)
	return err
}

func (v *urlFormVerifier) match(r *Request, _ time.Time) (rule string, err error) {
	hash, keys, err := v.hash(r)
	if err == nil {
		err = v.verify(r, hash, keys)
	}
	switch {
	case err != nil || v.Settings.kind == nowhere:
		return "", err
	case hash == SHA256:
		return "a shared key, by HMAC-SHA256", nil
	}
	return "the auth token, by HMAC-SHA1", nil
}

func (v *urlFormVerifier) verify(r *Request, hash Hash, keys []*hmacKey) error {
	signature := Signature{From: []Value{v.From}, Encoding: Base64}
	var p presented
	if err := signature.read(r, &p); err != nil {
		return err
	}
	var given sums
	if !given.decode(&p, Base64, hash.new()().Size()) {
		return v.From.malformed()
	}
	if r.URL == "" {
		return ErrNoURL
	}
	fields, err := v.fields(r)
	if err != nil {
		return err
	}
	addresses := []string{r.address()}
	if v.Ports {
		addresses = portVariants(r.address())
	}
	for _, key := range keys {
		for _, address := range addresses {
			if given.contain(key.sumOf([]byte(address), fields)) {
				return nil
			}
		}
	}
	return ErrBadSignature
}

// fields are what is signed after the address. A body that is no form must be covered by its hash in the
// address: otherwise any body could be put under a signed one.
func (v *urlFormVerifier) fields(r *Request) ([]byte, error) {
	if v.BodyParameter != "" && len(r.queryValues()[v.BodyParameter]) > 0 {
		given := make([]byte, sha256.Size)
		sum := sha256.Sum256(r.Body)
		if !Hex.decode(given, onlyValue(r.queryValues(), v.BodyParameter)) || subtle.ConstantTimeCompare(given, sum[:]) != 1 {
			return nil, ErrBadSignature
		}
		return nil, nil
	}
	if len(r.Body) == 0 {
		return nil, nil
	}
	form := r.formValues()
	if len(form) == 0 {
		return nil, fmt.Errorf("no form, and no %s: %w", v.BodyParameter, ErrMalformedBody)
	}
	return sortedFields(form), nil
}

// sortedFields joins each name with its values, the same value once.
func sortedFields(form url.Values) []byte {
	names := make([]string, 0, len(form))
	for name := range form {
		names = append(names, name)
	}
	slices.Sort(names)
	var joined []byte
	for _, name := range names {
		values := slices.Clone(form[name])
		slices.Sort(values)
		for _, value := range slices.Compact(values) {
			joined = append(append(joined, name...), value...)
		}
	}
	return joined
}

// portVariants are the address as it is, and with the port left out or the scheme's own put in. It works on the
// text: credentials and escapes are signed as they were written.
func portVariants(address string) []string {
	scheme, rest, found := strings.Cut(address, "://")
	if !found {
		return []string{address}
	}
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	authority, tail := rest[:end], rest[end:]
	host := authority[strings.LastIndexByte(authority, '@')+1:]
	if colon := strings.LastIndexByte(host, ':'); colon > strings.LastIndexByte(host, ']') {
		bare := authority[:len(authority)-len(host)+colon]
		return []string{address, scheme + "://" + bare + tail}
	}
	port := ":443"
	if strings.EqualFold(scheme, "http") {
		port = ":80"
	}
	return []string{address, scheme + "://" + authority + port + tail}
}
