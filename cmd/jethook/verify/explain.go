package verify

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"

	"jethook/cmd/jethook/cli"
	"jethook/ingest"
	"jethook/ingest/provider"
)

// explanation is what is told of one request. None of its texts holds a secret that the request was verified with.
type explanation struct {
	Verified    bool     `json:"verified"`
	Reason      string   `json:"reason"`
	Explanation string   `json:"explanation"` // of Reason, and what to do
	Hints       []string `json:"hints,omitempty"`

	Source     string `json:"source"`
	Provider   string `json:"provider"`
	Docs       string `json:"docs,omitempty"`
	VerifiedBy string `json:"verified_by"`
	SignedWith string `json:"signed_with,omitempty"` // where the sender has several ways
	CoversBody bool   `json:"covers_body"`
	Signed     string `json:"signed"`
	signedSize int    // bytes
	unsigned   bool   // nothing of the request is

	EventType *string          `json:"event_type"`
	EventID   *string          `json:"event_id"`
	Subject   *string          `json:"subject"`
	Events    []explainedEvent `json:"events"`
	Handshake string           `json:"handshake,omitempty"`
	Then      string           `json:"then,omitempty"` // what the server would do before it answers a handshake

	Status          int               `json:"status"`
	ResponseHeaders map[string]string `json:"response_headers"`
	ResponseBody    string            `json:"response_body"`
}

// explainedEvent is an event as it would be stored.
type explainedEvent struct {
	Type    string `json:"type"`
	ID      string `json:"id"`
	Subject string `json:"subject"`
	hashed  bool   // the sender has no id
}

func explain(a *sample, sender provider.Sender, v *ingest.Verdict) *explanation {
	known := slices.Clone(a.source.Secrets)
	for _, other := range a.others {
		known = append(known, other.Secrets...)
	}
	hide := concealer(known, v.Outcome.Learned)
	answer := v.Outcome.Answer
	r := &explanation{
		Verified: v.Err == nil, Reason: v.Reason,
		Source: a.source.Name, Provider: sender.Name, Docs: sender.Docs,
		VerifiedBy: sender.Scheme.String(), SignedWith: v.Rule, CoversBody: sender.Scheme.CoversBody(),
		Signed: shorten(hide(string(v.Signed))), signedSize: len(v.Signed), unsigned: v.Err == nil && v.Unread == nil && v.Signed == nil && v.Outcome.Handshake == "",
		EventType: orNull(hide(v.Type)), EventID: orNull(hide(v.ID)), Events: []explainedEvent{},
		Handshake: v.Outcome.Handshake,
		Status:    answer.Status, ResponseBody: hide(answer.Body), ResponseHeaders: headersOf(answer),
	}
	for name, value := range r.ResponseHeaders {
		r.ResponseHeaders[name] = hide(value)
	}
	for i, e := range v.Stored {
		event := explainedEvent{hide(e.Type), hide(e.ID), hide(e.Subject), v.Outcome.Events[i].Hashed}
		r.Events = append(r.Events, event)
	}
	if len(r.Events) > 0 {
		r.Subject = &r.Events[0].Subject
	}
	switch {
	case v.Outcome.Learned != "":
		r.Then = "store the secret that the sender hands over"
	case v.Outcome.Confirm != "":
		r.Then = "confirm with GET " + hide(v.Outcome.Confirm)
	}
	if v.Err != nil {
		r.Explanation = hide(v.Err.Error()) + ". " + remedy(a, sender, v.Reason)
		for _, hint := range a.guess(sender, v.Reason) {
			r.Hints = append(r.Hints, hide(hint))
		}
	}
	return r
}

// print writes the explanation for people.
func (r *explanation) print(w io.Writer) error {
	var text bytes.Buffer
	line := func(label, format string, args ...any) {
		fmt.Fprintf(&text, "%-12s %s\n", label, cli.Printable(fmt.Sprintf(format, args...)))
	}
	if r.Verified {
		line("verified", "yes")
	} else {
		line("verified", "no: %s", r.Reason)
		line("reason", "%s", r.Explanation)
	}
	for _, hint := range r.Hints {
		line("hint", "%s", hint)
	}
	line("provider", "%s %s", r.Provider, r.Docs)
	line("verified by", "%s", r.VerifiedBy)
	if r.SignedWith != "" {
		line("signed with", "%s", r.SignedWith)
	}
	r.printSigned(line)
	r.printEvents(line)
	line("answer", "%d %s", r.Status, http.StatusText(r.Status))
	for _, name := range slices.Sorted(maps.Keys(r.ResponseHeaders)) {
		line("", "%s: %s", name, r.ResponseHeaders[name])
	}
	if r.ResponseBody != "" {
		line("", "%s", shorten(r.ResponseBody))
	}
	_, err := w.Write(text.Bytes())
	return err
}

func (r *explanation) printSigned(line func(label, format string, args ...any)) {
	if r.signedSize > 0 {
		line("signed", "%s (%s)", r.Signed, cli.Counted(r.signedSize, "byte"))
	}
	switch {
	case r.unsigned:
		line("signed", "nothing: anyone who has seen one request can forge others")
	case r.signedSize > 0 && !r.CoversBody:
		line("", "the rest of the body is not covered: anyone who has seen one request can change it")
	}
}

func (r *explanation) printEvents(line func(label, format string, args ...any)) {
	if r.Handshake != "" {
		line("handshake", "%s; not an event", r.Handshake)
	}
	if r.Then != "" {
		line("", "the server would %s, then answer", r.Then)
	}
	if r.Verified && r.Handshake == "" && len(r.Events) == 0 {
		line("events", "none: the request contains an empty list")
	}
	if len(r.Events) > 1 {
		line("events", "%d, each stored separately", len(r.Events))
	}
	for _, e := range r.Events {
		line("type", "%s", e.Type)
		note := ""
		if e.hashed {
			note = " (hash of the body; the sender provides no id)"
		}
		line("id", "%s%s", e.ID, note)
		line("subject", "%s", e.Subject)
	}
}

// remedy says what to do about a reason.
func remedy(a *sample, s provider.Sender, reason string) string {
	secret := s.Secret
	if secret == "" {
		secret = "as you set it at the sender"
	}
	variable := "JETHOOK_SOURCE_" + strings.ToUpper(strings.ReplaceAll(a.source.Name, "-", "_"))
	scheme := s.Scheme.String()
	switch reason {
	case "missing_header":
		return "Pass it with --header exactly as it arrived. If it never arrived, either a proxy removes it, or the request is from another sender."
	case "malformed_header":
		return "The sender's format is: " + scheme + ". Compare prefix and encoding, and check that the header is not repeated."
	case "missing_field":
		return "This sender always sends it: " + scheme + ". Pass the complete body and Content-Type as they arrived, and --url with its query. Otherwise the request is from another sender."
	case "malformed_body":
		return "Pass the exact body with --body-file, and its Content-Type."
	case "bad_signature":
		return badSignature(s, secret)
	case "bad_claim":
		return "The signature is valid, but for a different recipient. Compare the secret (" + secret + "), --audience, and --email with the sender's settings."
	case "too_old":
		return "For an earlier request, pass the time of its arrival with --now. If it arrived just now, one of the clocks is wrong, or the request was delayed."
	case "too_new":
		return "For an earlier request, pass the time of its arrival with --now. If it arrived just now, one of the clocks is wrong."
	case "unknown_key":
		return "The request is from another environment of the sender, or --jwks or the secret contains the wrong key."
	case "key_unavailable":
		return "The server's answer makes the sender retry. Check that the server can connect to the sender's host, or pass the key with --jwks or --cert."
	case "no_url":
		return "This sender signs the URL that it sends to. Pass it with --url, and set " + variable + "_URL on the server."
	case "no_secret":
		if s.LearnsSecret() {
			return "The sender hands it over in its handshake. Show it with 'jethook source secret " + a.source.Name + "', and pass it with --secret-file."
		}
		return "Pass it with --secret-file, and set " + variable + "_SECRET on the server. The secret is: " + secret + "."
	case "bad_secret":
		return "A server with this secret would not start. The secret is: " + secret + "."
	case "unexpected":
		return "The source already has a secret. It accepts a new one only at the URL that 'jethook source pair " + a.source.Name + "' prints."
	case "method":
		return "This sender uses the method neither for events nor for handshakes. Pass the request's method with --method."
	case "bad_body":
		return "Pass the header Content-Encoding only if the body is still compressed."
	case "too_large":
		return "Raise " + variable + "_MAX_BODY to the largest body that the sender sends."
	case "unsupported_encoding":
		return "Pass the header Content-Encoding only if the body is still compressed. If the sender or a proxy compresses with gzip, set " + variable + "_GZIP=true."
	}
	return "See " + s.Docs
}

// badSignature is the remedy of the most common reason.
func badSignature(s provider.Sender, secret string) string {
	if _, items := s.Scheme.(provider.AdyenItems); items {
		return "Each item is signed separately, and one bad item rejects the whole request, because the sender expects one answer for all. " +
			"Either the secret is not the sender's (which is: " + secret + "), or the item was changed or is from another sender. Compare its line under signed."
	}
	if _, token := s.Scheme.(provider.Token); token {
		return "The token in the request does not match the secret, which is: " + secret + "."
	}
	return "Either the secret is not the sender's (which is: " + secret + "), or the body differs from what the sender signed, for example " +
		"because a proxy or framework parsed and rewrote the JSON. Compare it with the body under signed."
}
