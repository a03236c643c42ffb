package provider

import "errors"

// Reasons for which a request does not verify. Every error of [Verifier.Verify] and [Receiver.Receive] wraps
// exactly one of them; [Reason] names it in one word.
var (
	// ErrMissingHeader means a header that the scheme needs is not there.
	ErrMissingHeader = errors.New("required header is missing")
	// ErrMalformedHeader means a header that the scheme needs does not have its form.
	ErrMalformedHeader = errors.New("header is malformed")
	// ErrMissingField means a field of the body or the query that the scheme needs is not there.
	ErrMissingField = errors.New("required field is missing")
	// ErrMalformedBody means the body, or a field of it that the scheme needs, does not have its form.
	ErrMalformedBody = errors.New("body is malformed")
	// ErrBadSignature means no signature or token in the request matches any of the secrets.
	ErrBadSignature = errors.New("no signature matches")
	// ErrBadClaim means the signature is right, and what it says is meant for somebody else: the audience, the
	// issuer, the account or the topic.
	ErrBadClaim = errors.New("signed for somebody else")
	// ErrTooOld means the request's timestamp lies further back than the scheme tolerates.
	ErrTooOld = errors.New("timestamp is too old")
	// ErrTooNew means the request's timestamp lies further ahead than the scheme tolerates.
	ErrTooNew = errors.New("timestamp is in the future")
	// ErrUnknownKey means the request names a key that its sender does not publish.
	ErrUnknownKey = errors.New("unknown key")
	// ErrKeyUnavailable means the sender's key could not be had: a fault of ours or the sender's, not of the
	// request, which may verify later.
	ErrKeyUnavailable = errors.New("key cannot be had")
	// ErrNoURL means the sender signs the address it was given, and that address is not known.
	ErrNoURL = errors.New("public address is not known")
	// ErrUnexpected means a handshake that wants to set a secret where there is one.
	ErrUnexpected = errors.New("not expected here")
	// ErrMethod means that the sender's events don't come with this method, and that it is no handshake either.
	ErrMethod = errors.New("method is not the sender's")
	// ErrNoSecret means there is nothing to verify with. It is an error of [Scheme.Bind] too.
	ErrNoSecret = errors.New("no secret")
	// ErrBadSecret means a secret does not have the form that its sender gives out. Only [Scheme.Bind] returns
	// it; the error never quotes the secret.
	ErrBadSecret = errors.New("secret is malformed")
	// ErrWeakSecret means a secret that others could guess. Only [Sender.CheckStrength] returns it.
	ErrWeakSecret = errors.New("secret is too easily guessed")
)

// reasons are the words for the reasons.
var reasons = []struct {
	err  error
	word string
}{
	{ErrMissingHeader, "missing_header"},
	{ErrMalformedHeader, "malformed_header"},
	{ErrMissingField, "missing_field"},
	{ErrMalformedBody, "malformed_body"},
	{ErrBadSignature, "bad_signature"},
	{ErrBadClaim, "bad_claim"},
	{ErrTooOld, "too_old"},
	{ErrTooNew, "too_new"},
	{ErrUnknownKey, "unknown_key"},
	{ErrKeyUnavailable, "key_unavailable"},
	{ErrNoURL, "no_url"},
	{ErrUnexpected, "unexpected"},
	{ErrMethod, "method"},
	{ErrNoSecret, "no_secret"},
}

const otherReason = "other"

// Reason is the one word for why a request did not verify, out of [Reasons].
func Reason(err error) string {
	for _, r := range reasons {
		if errors.Is(err, r.err) {
			return r.word
		}
	}
	return otherReason
}

// Reasons lists the words that [Reason] returns: a fixed set that suits metrics and filters.
func Reasons() []string {
	words := make([]string, 0, len(reasons)+1)
	for _, r := range reasons {
		words = append(words, r.word)
	}
	return append(words, otherReason)
}
