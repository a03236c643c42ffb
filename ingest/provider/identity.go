package provider

import (
	"crypto/sha256"
	"encoding/hex"
	"time"
)

// EqualBodies is for how long equal bodies are one event where the hash of the body stands for its id and nothing in the
// body says when the event was: about the pause before a sender's first retry. A later retry is then a copy, which costs
// less than an event that is taken for one.
const EqualBodies = 10 * time.Second

// Event returns the type and the id of the event in r as the sender's documentation has them, empty where there is none.
// Of a request with several events they are those of the first, or of the request; see [Receiver.Receive] for what is
// stored.
func (s *Sender) Event(r *Request) (eventType, id string) {
	return s.Type.find(r), s.ID.find(r)
}

// TypeAt and IDAt are where the type and the id of a stored event stand.
func (s *Sender) TypeAt() Value {
	switch {
	case s.Batch != nil:
		return s.Batch.Type
	case s.StoredType.kind != nowhere:
		return s.StoredType
	}
	return s.Type
}

// IDAt is as [Sender.TypeAt].
func (s *Sender) IDAt() Value {
	if s.Batch != nil {
		return s.Batch.ID
	}
	return s.wholeID()
}

// wholeType and wholeID are those of a request that is one event.
func (s *Sender) wholeType() Value {
	if s.StoredType.kind != nowhere {
		return s.StoredType
	}
	return s.Type
}

func (s *Sender) wholeID() Value {
	if s.StoredID.kind != nowhere {
		return s.StoredID
	}
	return s.ID
}

// BodyHash is a hash of the whole body, in hex.
func BodyHash() Value { return Value{kind: bodyHash} }

// Apart is the id with a hash of what tells events apart that have it in common: the id alone if none of that is there,
// and nowhere without the id.
func Apart(id Value, others ...Value) Value {
	return Value{kind: apart, parts: append([]Value{id}, others...)}
}

// When is the value where it is that text, and nowhere else.
func When(v Value, text string) Value { return Value{kind: onlyWhen, arg: text, parts: []Value{v}} }

// Dotted is the values with a dot between each two, and nowhere unless all are there.
func Dotted(values ...Value) Value { return Value{kind: joined, arg: ".", parts: values} }

func (v Value) findApart(r *Request) string {
	id := v.parts[0].find(r)
	if id == "" {
		return ""
	}
	h, found := sha256.New(), false
	for _, part := range v.parts[1:] {
		s := part.find(r)
		found = found || s != ""
		h.Write([]byte(s))
		h.Write([]byte{0}) // no value from a header or JSON text that is taken as it is holds one
	}
	if !found {
		return id
	}
	return id + "-" + hex.EncodeToString(h.Sum(nil)[:8])
}

func (v Value) findWhen(r *Request) string {
	if s := v.parts[0].find(r); s == v.arg {
		return s
	}
	return ""
}

// hash is a hash of the body, and of the query that is kept, which is made once.
func (r *Request) hash() string {
	if r.sum == "" {
		h := sha256.New()
		h.Write(r.Body)
		h.Write([]byte(r.kept))
		r.sum = hex.EncodeToString(h.Sum(nil)[:16])
	}
	return r.sum
}
