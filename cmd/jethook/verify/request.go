package verify

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"jethook/ingest"
	"jethook/ingest/provider"
)

// parseNow reads unix seconds or RFC 3339, and gives the present for nothing.
func parseNow(text string) (time.Time, error) {
	if text == "" {
		return time.Now(), nil
	}
	if seconds, err := strconv.ParseInt(text, 10, 64); err == nil {
		return time.Unix(seconds, 0), nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, fmt.Errorf("--now %q must be in Unix seconds or RFC 3339, such as 1790000000 or 2026-09-21T14:13:20Z", text)
	}
	return t, nil
}

// readInput reads a file, or the standard input for "-".
func readInput(path string, stdin io.Reader) ([]byte, error) {
	if path == "-" {
		return io.ReadAll(stdin)
	}
	return os.ReadFile(path)
}

// keys is where the sender's keys come from.
func (a *sample) keys() provider.KeySource {
	if a.fetch && a.given.JWKS == nil && a.given.Certs == nil {
		return ingest.NewKeySource()
	}
	return a.given
}

func (a *sample) request() *http.Request {
	return &http.Request{
		Method: a.method, URL: &url.URL{RawQuery: a.query}, Header: a.header,
		Body: io.NopCloser(bytes.NewReader(a.body)), ContentLength: -1,
	}
}

// sentTo sets the address that the request was sent to, which is also the one that the sender signs.
func (a *sample) sentTo(address string) {
	a.source.URL = address
	_, a.query, _ = strings.Cut(address, "?")
}
