package provider

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
)

// Handshake is a kind of request in which the sender asks something, and which is no event.
type Handshake struct {
	Name string // in the sender's words
	// Signed means that it is answered only if the request verifies.
	Signed bool
	// Bound means that the sender has its secret by then, so that a source can't begin without one.
	Bound bool
	// Methods are those it is made with, POST if empty.
	Methods []string
	// Learns means that it hands over the secret.
	Learns bool
	// Refusal is the answer if it is refused; that of the row if its status is 0.
	Refusal Answer

	// ask returns the reply if r is this handshake, nil if not. It is called for one of Methods only.
	ask func(r *Request, secrets []string) (*reply, error)
}

func (h *Handshake) takes(method string) bool {
	if len(h.Methods) == 0 {
		return method == post
	}
	return slices.Contains(h.Methods, method)
}

// reply is what a handshake comes to.
type reply struct {
	answer  Answer
	learned string
	confirm string
}

// echo answers with the value, if it is there, as plain text.
func echo(v Value) func(*Request, []string) (*reply, error) {
	return func(r *Request, _ []string) (*reply, error) {
		if s := v.find(r); s != "" {
			return &reply{answer: text(s)}, nil
		}
		return nil, nil
	}
}

// when asks only if a value reads so.
func when(v Value, is string, ask func(*Request, []string) (*reply, error)) func(*Request, []string) (*reply, error) {
	return func(r *Request, secrets []string) (*reply, error) {
		if v.find(r) != is {
			return nil, nil
		}
		return ask(r, secrets)
	}
}

// always gives the same answer.
func always(a Answer) func(*Request, []string) (*reply, error) {
	return func(*Request, []string) (*reply, error) { return &reply{answer: a}, nil }
}

// text is an answer in plain text. What a stranger may have written must not be taken for a page.
func text(s string) Answer {
	return Answer{
		Status: http.StatusOK, Body: s, ContentType: "text/plain",
		Header: map[string]string{"X-Content-Type-Options": "nosniff"},
	}
}

// jsonAnswer is an answer that is always the same JSON.
func jsonAnswer(body string) Answer {
	return Answer{Status: http.StatusOK, Body: body, ContentType: "application/json"}
}

// object is an answer that is a JSON object of names and texts, in that order.
func object(pairs ...string) Answer {
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false) // senders compare with what they sent
	body.WriteByte('{')
	for i, s := range pairs {
		if i > 0 {
			body.WriteByte(",:"[i%2])
		}
		encoder.Encode(s)             //nolint:errcheck // a string always can be, and a buffer takes it
		body.Truncate(body.Len() - 1) // its line end
	}
	body.WriteByte('}')
	return Answer{Status: http.StatusOK, Body: body.String(), ContentType: "application/json"}
}

// learn takes a secret that the sender hands over at v, where none is known. Else who hands over another could send
// whatever he likes; whether the first one is the sender's is for the caller to know.
func learn(v Value, secret string, known []string, a Answer) (*reply, error) {
	for _, k := range known {
		if equalText(k, secret) {
			return &reply{answer: a}, nil
		}
	}
	if len(known) > 0 {
		return nil, ErrUnexpected
	}
	if CheckHandedOver(secret) != nil {
		return nil, v.malformed()
	}
	return &reply{answer: a, learned: secret}, nil
}

// notPrinted reports whether no secret has the character: all that senders hand over are printable ASCII.
func notPrinted(r rune) bool { return r <= ' ' || r > '~' }
