package ingest

import (
	"bytes"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strings"
	"time"

	"jethook/ingest/provider"
)

// receiveFunc verifies a request and says what it is.
type receiveFunc func(*provider.Request) (provider.Outcome, error)

// receiveAt is what the source verifies with at this moment.
func (src *source) receiveAt(now time.Time) receiveFunc {
	return func(r *provider.Request) (provider.Outcome, error) { return src.receiveFrom(r, now) }
}

// decode hands a request to receive with its body as it is to be stored, and returns it so. A body that came compressed is
// verified inflated, since a proxy that compresses does not sign again, or else as it came, which is what a sender signs
// that compresses by itself.
//
// A source that takes no compressed bodies inflates only what has been verified as it came: strangers must not
// choose how much work is done. Its errors are those of receive, errEncoding, errCompressed, errBadBody, errTooLarge and
// errOverloaded.
func (src *source) decode(sent *provider.Request, body *bodyReader, receive receiveFunc) (*provider.Request, provider.Outcome, error) {
	labelled, err := isGzip(sent.Header)
	if err != nil && !src.gzip {
		err = fmt.Errorf("%w: %w", errCompressed, err)
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
		covered := src.sender.Scheme.CoversBody()
		switch {
		case err != nil && labelled && bodyDecides(err, covered), err == nil && outcome.Handshake == "" && !covered:
			err = fmt.Errorf("%w; if the sender or a proxy compresses, set %s=true", errCompressed, variable(src.name, "GZIP"))
			return sent, provider.Outcome{}, err
		case err != nil, outcome.Handshake != "":
			return sent, outcome, err
		}
	}
	inflated, err := body.inflate(sent.Body)
	switch {
	case errors.Is(err, errBadBody) && !labelled: // something else that begins so
		outcome, err := receive(sent)
		return sent, outcome, err
	case err != nil:
		return sent, provider.Outcome{}, err
	}
	plain := src.request(sent.Method, sent.Query, sent.Header, inflated)
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
	return false, fmt.Errorf("%w: %.64q", errEncoding, encodings)
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

// ofBody reports whether a request is refused for its body, by us and not by its sender's row.
func ofBody(err error) bool {
	return errors.Is(err, errTooLarge) || errors.Is(err, errBadBody) || errors.Is(err, errEncoding) || errors.Is(err, errCompressed)
}
