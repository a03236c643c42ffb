package verify

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"jethook/config"
	"jethook/ingest"
	"jethook/ingest/provider"
)

// end is the mark that ends a sentence.
func end(sentence string) string {
	if strings.HasSuffix(sentence, "?") {
		return ""
	}
	return "."
}

// guessed is a sample with a slip undone.
type guessed struct {
	when   string
	sample sample
}

type headerForm struct{ what, text string }

func otherForms(value, set string) []headerForm {
	prefix, digest := "", value
	if before, after, found := strings.Cut(value, "="); found && after != "" && after != "=" {
		prefix, digest = before+"=", strings.TrimSpace(after)
	}
	var forms []headerForm
	if prefix != "" {
		forms = append(forms, headerForm{"read without the prefix " + prefix, digest})
	}
	for _, missing := range []string{"sha256=", "sha1=", "sha512=", "v1,", "Bearer ", set} {
		if missing == "" {
			continue
		}
		forms = append(forms, headerForm{"read with the prefix " + missing, missing + value})
	}
	if sum, err := base64.StdEncoding.DecodeString(digest); err == nil && len(sum) >= 20 {
		forms = append(forms,
			headerForm{"in base64, although the provider uses hex", prefix + hex.EncodeToString(sum)},
			headerForm{"in base64, although the provider uses hex, and without the prefix", hex.EncodeToString(sum)})
	}
	if sum, err := hex.DecodeString(digest); err == nil && len(sum) >= 20 {
		forms = append(forms,
			headerForm{"in hex, although the provider uses base64", prefix + base64.StdEncoding.EncodeToString(sum)},
			headerForm{"in hex, although the provider uses base64, and without the prefix", base64.StdEncoding.EncodeToString(sum)})
	}
	return forms
}

// guess tries the slips that are made most often, and says with which of them undone the request verifies. It fetches
// nothing.
func (a *sample) guess(sender provider.Sender, reason string) []string {
	switch reason {
	case "too_old", "too_new":
		return a.otherTimes(sender)
	case "bad_signature", "bad_secret", "malformed_header", "missing_header", "missing_field":
	default:
		return nil
	}
	var hints []string
	for _, guesses := range [][]guessed{a.otherSecrets(), a.otherSources(), a.otherBodies(), a.otherURLs(), a.otherHeaders()} {
		for _, g := range guesses {
			if g.sample.verifies() {
				hints = append(hints, "It verifies "+g.when+end(g.when))
			}
		}
	}
	if names := a.otherSenders(); len(names) > 0 {
		hints = append(hints, "It verifies as a request from "+strings.Join(names, ", ")+"; is that the provider?")
	}
	return hints
}

// verifies reports whether the sample is an event that verifies. A handshake that anyone can send is none.
func (a *sample) verifies() bool {
	trial, err := ingest.NewTrial(a.source, a.given, a.maxBody)
	if err != nil {
		return false
	}
	v := trial.Receive(a.request(), a.now)
	return v.Err == nil && v.Outcome.Handshake == ""
}

func (a *sample) otherSecrets() (guesses []guessed) {
	add := func(when, before, after string) {
		if after == "" || after == before {
			return
		}
		b := *a
		b.source.Secrets = []config.Secret{config.NewSecret(after)}
		guesses = append(guesses, guessed{when, b})
	}
	for _, secret := range a.source.Secrets {
		s := secret.Reveal()
		add("without the whitespace around the secret", s, strings.TrimSpace(s))
		add("without the quotes around the secret", s, strings.Trim(s, `"'`))
		if rest, found := strings.CutPrefix(s, "whsec_"); found {
			add("without the prefix whsec_ of the secret", s, rest)
		}
		bare := strings.TrimPrefix(s, "whsec_")
		if key, err := base64.StdEncoding.DecodeString(bare); err == nil {
			add("when the secret is read as base64", s, string(key))
		}
		if key, err := hex.DecodeString(bare); err == nil {
			add("when the secret is read as hex", s, string(key))
		}
		const raw = "when the secret is used as plain text, not decoded"
		add(raw, s, base64.StdEncoding.EncodeToString([]byte(s)))
		add(raw, s, hex.EncodeToString([]byte(s)))
	}
	return guesses
}

// otherSources are those of the same server, whose secret may have been given to this one.
func (a *sample) otherSources() (guesses []guessed) {
	for _, other := range a.others {
		if len(other.Secrets) > 0 {
			b := *a
			b.source.Secrets = other.Secrets
			guesses = append(guesses, guessed{"with the secret of source " + other.Name + "; are the two mixed up?", b})
		}
	}
	return guesses
}

func (a *sample) otherBodies() (guesses []guessed) {
	add := func(when string, body []byte) {
		same := func(g guessed) bool { return bytes.Equal(body, g.sample.body) }
		if !bytes.Equal(body, a.body) && !slices.ContainsFunc(guesses, same) {
			b := *a
			b.body = body
			guesses = append(guesses, guessed{when, b})
		}
	}
	add("without the newline at the end of the body, which an editor or echo may have added", bytes.TrimRight(a.body, "\r\n"))
	add("with a newline at the end of the body", append(slices.Clone(a.body), '\n'))
	add("with LF instead of CRLF line endings in the body", bytes.ReplaceAll(a.body, []byte("\r\n"), []byte("\n")))
	add("with CRLF instead of LF line endings in the body", bytes.ReplaceAll(a.body, []byte("\n"), []byte("\r\n")))
	add("without the byte order mark at the start of the body", bytes.TrimPrefix(a.body, []byte("\ufeff")))
	var compact bytes.Buffer
	if json.Compact(&compact, a.body) == nil {
		add("without whitespace in the JSON; something has reformatted the body", compact.Bytes())
	}
	return guesses
}

func (a *sample) otherURLs() (guesses []guessed) {
	if a.source.URL == "" {
		return nil
	}
	add := func(address string) {
		if address != a.source.URL {
			b := *a
			b.sentTo(address)
			guesses = append(guesses, guessed{"when the URL is " + address, b})
		}
	}
	if strings.Contains(a.query, "+") {
		b := *a
		b.query = strings.ReplaceAll(a.query, "+", "%2B")
		guesses = append(guesses, guessed{"when + in the URL is not a space; a token that contains + must be encoded with %2B", b})
	}
	base, query, hasQuery := strings.Cut(a.source.URL, "?")
	if hasQuery {
		query = "?" + query
		add(base)
	}
	if rest, found := strings.CutPrefix(base, "http://"); found {
		add("https://" + rest + query)
	}
	if rest, found := strings.CutPrefix(base, "https://"); found {
		add("http://" + rest + query)
	}
	add(strings.TrimSuffix(base, "/") + query)
	add(strings.TrimSuffix(base, "/") + "/" + query)
	return guesses
}

// otherHeaders are those in which a signature is written in another encoding, or with another prefix.
func (a *sample) otherHeaders() (guesses []guessed) {
	for name, values := range a.header {
		if len(values) != 1 {
			continue
		}
		for _, form := range otherForms(values[0], a.source.Prefix) {
			b := *a
			b.header = a.header.Clone()
			b.header.Set(name, form.text)
			guesses = append(guesses, guessed{fmt.Sprintf("when header %s is %s", name, form.what), b})
		}
	}
	return guesses
}

// otherSenders are those that verify the request with the same secret.
func (a *sample) otherSenders() (names []string) {
	for _, s := range provider.All() {
		b := *a
		b.source.Provider = s.Name
		b.source.Header, b.source.Prefix, b.source.Algorithm, b.source.Encoding = "", "", "", ""
		open := s.Unsigned && len(a.source.Secrets) == 0 // then all requests verify
		if s.Name != a.source.Provider && !open && b.verifies() {
			names = append(names, s.Name)
		}
	}
	return names
}

// otherTimes says what is wrong with the time of a request that is refused for that alone.
func (a *sample) otherTimes(sender provider.Sender) []string {
	then := *a
	then.now = time.Time{} // when the request says that it was made
	if !then.verifies() {
		return nil
	}
	signed, _ := sender.SignedAt(&provider.Request{Method: a.method, URL: a.source.URL, Query: a.query, Header: a.header, Body: a.body})
	switch off := signed.Sub(a.now); {
	case near(time.UnixMilli(signed.Unix()), a.now):
		return []string{"The timestamp is in milliseconds, but the provider uses seconds. The signature is valid."}
	case near(time.Unix(signed.UnixMilli(), 0), a.now):
		return []string{"The timestamp is in seconds, but the provider uses milliseconds. The signature is valid."}
	case off > 0:
		return []string{"It verifies at its own timestamp, which is " + off.Round(time.Second).String() + " ahead of --now."}
	default:
		return []string{"It verifies at its own timestamp, which is " + (-off).Round(time.Second).String() + " behind --now."}
	}
}
