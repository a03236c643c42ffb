package main

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"

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
		r.Then = "keep the secret that the sender hands over"
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
		fmt.Fprintf(&text, "%-12s %s\n", label, visible(fmt.Sprintf(format, args...)))
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
		line("signed", "%s (%d bytes)", r.Signed, r.signedSize)
	}
	switch {
	case r.unsigned:
		line("signed", "nothing: who has seen one request can send any other")
	case r.signedSize > 0 && !r.CoversBody:
		line("", "nothing else of the body is covered: who has seen one request can change the rest")
	}
}

func (r *explanation) printEvents(line func(label, format string, args ...any)) {
	if r.Handshake != "" {
		line("handshake", "%s: no event", r.Handshake)
	}
	if r.Then != "" {
		line("", "the server would %s, and then answer", r.Then)
	}
	if r.Verified && r.Handshake == "" && len(r.Events) == 0 {
		line("events", "none: the list in the request is empty")
	}
	if len(r.Events) > 1 {
		line("events", "%d, each stored by itself", len(r.Events))
	}
	for _, e := range r.Events {
		line("type", "%s", e.Type)
		note := ""
		if e.hashed {
			note = " (the hash of the body: the sender gives no id)"
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
		return "Give it with --header as it came. If it never came, something between the sender and here takes it out, or the request is another sender's."
	case "malformed_header":
		return "The sender writes it so: " + scheme + ". Compare prefix and encoding, and whether the header is there more than once."
	case "missing_field":
		return "What this sender sends holds it: " + scheme + ". Give the whole body and Content-Type as they came, and --url with its query; or the request is another sender's."
	case "malformed_body":
		return "Give the body byte for byte as it came, with --body-file, and its Content-Type."
	case "bad_signature":
		return badSignature(s, secret)
	case "bad_claim":
		return "The signature is right, and made for somebody else: compare the secret (" + secret + "), --audience and --email with what is set at the sender."
	case "too_old":
		return "For a request of earlier, give --now with the time at which it came. If it came just now, one of the clocks is wrong, or something held it back."
	case "too_new":
		return "For a request of earlier, give --now with the time at which it came. If it came just now, one of the clocks is wrong."
	case "unknown_key":
		return "The request is of another environment of the sender, or the key given with --jwks or in the secret is another one."
	case "key_unavailable":
		return "The server answers so that the sender tries again. Check that it may connect to the sender's host, or give the key with --jwks or --cert."
	case "no_url":
		return "This sender signs the address that it was given: give it with --url, and to the server as " + variable + "_URL."
	case "no_secret":
		if s.LearnsSecret() {
			return "The sender hands it over in its handshake: 'jethook source secret " + a.source.Name + "' shows it, and --secret-file takes it."
		}
		return "Give it with --secret-file, and to the server as " + variable + "_SECRET. It is: " + secret + "."
	case "bad_secret":
		return "A server with this secret would not start. It is: " + secret + "."
	case "unexpected":
		return "A secret is handed over where there is one already: it is taken only at the address that 'jethook source pair " + a.source.Name + "' prints."
	case "method":
		return "Give the method that the request came with: --method. It is neither that of an event nor of a handshake of this sender."
	case "bad_body":
		return "Give the header Content-Encoding only with a body that is still compressed."
	case "too_large":
		return "Set " + variable + "_MAX_BODY to what the sender may send."
	case "unsupported_encoding":
		return "Give the header Content-Encoding only with a body that is still compressed. Where the sender or a proxy compresses with gzip, set " + variable + "_GZIP=true."
	}
	return "See " + s.Docs
}

// badSignature is the remedy of the most common reason.
func badSignature(s provider.Sender, secret string) string {
	if _, items := s.Scheme.(provider.AdyenItems); items {
		return "One bad item refuses the whole request: each item is signed by itself and the sender takes one answer for all, so that what is left out would be lost. " +
			"Either the secret is not the sender's (it is: " + secret + "), or the item is not the sender's or was changed. Compare its line under signed."
	}
	if _, token := s.Scheme.(provider.Token); token {
		return "The token in the request is not the secret, which is: " + secret + "."
	}
	return "Either the secret is not the sender's (it is: " + secret + "), or the body is not, byte for byte, what the sender signed: " +
		"a proxy or framework that reads and writes JSON anew changes it. Compare it with what came, under signed."
}
