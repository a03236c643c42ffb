package source

import (
	"bytes"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strings"
	"time"

	"jethook/ingest/body"
	"jethook/ingest/provider"
)

// Encodings that are not taken.
var (
	ErrEncoding   = errors.New("unsupported content encoding")
	ErrCompressed = errors.New("source accepts no compressed bodies")
)

// Receive verifies a request and says what it is.
type Receive func(*provider.Request) (provider.Outcome, error)

// ReceiveAt is what the source verifies with at this moment.
func (src *Source) ReceiveAt(now time.Time) Receive {
	return func(r *provider.Request) (provider.Outcome, error) { return src.receiveFrom(r, now) }
}

// Decode hands a request to receive with its body as it is to be stored, and returns it so. A body that came compressed is
// verified inflated, since a proxy that compresses does not sign again, or else as it came, which is what a sender signs
// that compresses by itself.
//
// A source that takes no compressed bodies inflates only what has been verified as it came: strangers must not
// choose how much work is done. Its errors are those of receive, ErrEncoding, ErrCompressed, [body.ErrBad], [body.ErrTooLarge] and
// [body.ErrOverloaded].
func (src *Source) Decode(sent *provider.Request, bodies *body.Reader, receive Receive) (*provider.Request, provider.Outcome, error) {
	labelled, err := isGzip(sent.Header)
	if err != nil && !src.gzip {
		err = fmt.Errorf("%w: %w", ErrCompressed, err)
	}
	if err != nil {
		return sent, provider.Outcome{}, err
	}
	if !labelled && !(beginsAsGzip(sent.Body) && (src.gzip || isText(sent.Header))) {
		outcome, err := receive(sent)
		return sent, outcome, err
	}
	if !src.gzip {
		outcome, err := receive(sent)
		covered := src.Sender.Scheme.CoversBody()
		switch {
		case err != nil && labelled && bodyDecides(err, covered), err == nil && outcome.Handshake == "" && !covered:
			err = fmt.Errorf("%w; if the sender or a proxy compresses, set %s=true", ErrCompressed, Variable(src.Name, "GZIP"))
			return sent, provider.Outcome{}, err
		case err != nil, outcome.Handshake != "":
			return sent, outcome, err
		}
	}
	inflated, err := bodies.Inflate(sent.Body)
	switch {
	case errors.Is(err, body.ErrBad) && !labelled: // something else that begins so
		outcome, err := receive(sent)
		return sent, outcome, err
	case err != nil:
		return sent, provider.Outcome{}, err
	}
	plain := src.Request(sent.Method, sent.Query, sent.Header, inflated)
	plain.Sent = sent.Body
	outcome, err := receive(plain)
	return plain, outcome, err
}

// bodyDecides reports whether a request that does not verify may do so with its body inflated.
func bodyDecides(err error, covered bool) bool {
	return covered && errors.Is(err, provider.ErrBadSignature) || errors.Is(err, provider.ErrMissingField) || errors.Is(err, provider.ErrMalformedBody)
}

// isGzip reports whether the body is said to be compressed, and refuses every other encoding: what cannot be undone must
// not be stored as if it were plain. Some senders write a charset there, which changes nothing about the bytes.
func isGzip(h http.Header) (bool, error) {
	encodings := strings.Join(h["Content-Encoding"], ", ")
	switch strings.ToLower(encodings) {
	case "", "identity", "utf-8", "utf8", "us-ascii", "ascii", "iso-8859-1", "latin1", "7bit", "8bit", "binary":
		return false, nil
	case "gzip", "x-gzip": // RFC 9110, section 8.4.1.3: the same
		return true, nil
	}
	return false, fmt.Errorf("%w: %.64q", ErrEncoding, encodings)
}

// beginsAsGzip reports whether the body begins as what gzip makes: https://www.rfc-editor.org/rfc/rfc1952#section-2.3.1
func beginsAsGzip(body []byte) bool { return bytes.HasPrefix(body, []byte{0x1f, 0x8b, 8}) }

// isText reports whether the body is said to be something that never begins as gzip does.
func isText(h http.Header) bool {
	mediaType, _, _ := mime.ParseMediaType(h.Get("Content-Type"))
	switch {
	case strings.HasPrefix(mediaType, "text/"), strings.HasSuffix(mediaType, "json"), strings.HasSuffix(mediaType, "xml"):
		return true
	}
	return mediaType == "application/x-www-form-urlencoded"
}

// OfBody reports whether a request is refused for its body, by us and not by its sender's row.
func OfBody(err error) bool {
	return errors.Is(err, body.ErrTooLarge) || errors.Is(err, body.ErrBad) || errors.Is(err, ErrEncoding) || errors.Is(err, ErrCompressed)
}
