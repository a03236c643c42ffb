package provider

import (
	"slices"
	"strings"
)

// Parts of an event that a sender may leave unsigned.
const (
	partBody = "body"
	partType = "type"
	partID   = "id"
)

// NotCovered names what of an event is not authenticated, out of body, type and id: who has seen one request can send it
// again with others in their place. A type or an id that the sender does not write is not among them.
func (s *Sender) NotCovered() (parts []string) {
	if !s.Scheme.CoversBody() {
		parts = append(parts, partBody)
	}
	if !covers(s.Scheme, s.TypeAt()) {
		parts = append(parts, partType)
	}
	// Where the sender writes no id, what stands for it is as good as the body.
	if (s.ID.kind != nowhere || s.Batch != nil) && !covers(s.Scheme, s.IDAt()) {
		parts = append(parts, partID)
	}
	return parts
}

// covers reports whether a value is authenticated.
func covers(s Scheme, v Value) bool {
	if signs, ok := s.(interface{ signs(v Value) bool }); ok && signs.signs(v) {
		return true
	}
	switch v.kind {
	case nowhere, constant:
		return true
	case firstOf, joined, apart, onlyWhen:
		return !slices.ContainsFunc(v.parts, func(part Value) bool { return !covers(s, part) })
	case inHeader, inQuery:
		return false
	}
	return s.CoversBody()
}

func (s Signature) signs(v Value) bool {
	return slices.ContainsFunc(slices.Concat(s.From, s.Content), func(part Value) bool { // another signature does not verify
		return part.String() == v.String() || (part.kind == theURL || part.kind == theDecodedURL) && v.kind == inQuery
	})
}

// signs is true of headers, of which the signature names those that it covers.
func (s Hook0) signs(v Value) bool { return v.kind == inHeader }

func (s Contentful) signs(v Value) bool { return v.String() == contentfulTopic.String() }

func (AdyenItems) signs(v Value) bool {
	return v.kind == inJSON && slices.Contains(adyenFields, strings.TrimPrefix(v.arg, "NotificationRequestItem."))
}

// coverage is what is covered of an event, in words.
func (s *Sender) coverage() string {
	missing := s.NotCovered()
	words := "yes"
	if len(missing) > 0 && missing[0] == partBody {
		words, missing = "**no**", missing[1:]
		if signed := s.signedParts(missing); len(signed) > 0 {
			words += "; the " + strings.Join(signed, " and ") + map[bool]string{true: " is", false: " are"}[len(signed) == 1]
		}
	} else if len(missing) > 0 {
		words += ", but not the " + strings.Join(missing, " and ")
	}
	if s.Caveat != "" {
		words += "; " + s.Caveat
	}
	return words
}

// signedParts are those of type and id that the sender writes and that are not missing.
func (s *Sender) signedParts(missing []string) (parts []string) {
	for _, part := range []struct {
		name string
		at   Value
	}{{partType, s.TypeAt()}, {partID, s.IDAt()}} {
		if part.at.kind != nowhere && part.at.kind != constant && !slices.Contains(missing, part.name) {
			parts = append(parts, part.name)
		}
	}
	return parts
}
