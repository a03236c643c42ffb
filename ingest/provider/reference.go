package provider

import (
	"fmt"
	"strings"
)

// Markdown returns the table of senders that this package's README shows.
func Markdown() string {
	var b strings.Builder
	b.WriteString("| provider | secret | verified by | body covered | event type | event id | notes |\n|---|---|---|---|---|---|---|\n")
	for _, s := range table {
		secret := s.Secret
		if secret == "" {
			secret = "none"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s |\n",
			s.nameWords(), secret, s.schemeWords(), s.coverage(), s.typeWords(), s.idWords(), s.notes())
	}
	return b.String()
}

// nameWords are the name, and the title unless that is the same in other letters.
func (s *Sender) nameWords() string {
	name := "`" + s.Name + "`"
	if !strings.EqualFold(strings.NewReplacer(" ", "", "-", "", ".", "").Replace(s.Title), strings.ReplaceAll(s.Name, "-", "")) {
		name += " " + s.Title
	}
	if s.Docs != "" {
		name = "[" + name + "](" + s.Docs + ")"
	}
	return name
}

// schemeWords are the kinds of the scheme. What is signed, and where the proof stands, a table has no room for; what of an
// event that covers, [Sender.coverage] sums up.
func (s *Sender) schemeWords() string {
	var kinds []string
	for part := range strings.SplitSeq(s.Scheme.String(), "; ") {
		for _, detail := range []string{" over ", " in header:", " in query:", " in json:", " in form:", " in multipartjson:", " with header:", ", hex", ", base64"} {
			part, _, _ = strings.Cut(part, detail)
		}
		kinds = append(kinds, part)
	}
	return strings.Join(kinds, "; ")
}

// notes say what else an operator has to know: what to set, what the sender asks before it sends, and which secrets its
// bodies hold.
func (s *Sender) notes() string {
	var notes []string
	if s.NeedsURL {
		notes = append(notes, "needs `URL`")
	}
	if len(s.Handshakes) > 0 {
		names := make([]string, len(s.Handshakes))
		for i, h := range s.Handshakes {
			names[i] = h.Name
		}
		notes = append(notes, "answers "+strings.Join(names, ", "))
	}
	if len(s.BodySecrets) > 0 {
		notes = append(notes, "secret in the body: `"+strings.Join(s.BodySecrets, "`, `")+"`")
	}
	return strings.Join(notes, "; ")
}

func (s *Sender) typeWords() string {
	if s.Batch != nil {
		return code(s.Batch.Type) + " of each in `" + s.Batch.String() + "`"
	}
	return code(s.TypeAt())
}

// idWords are where the id stands. Of a long one, they are its first part.
func (s *Sender) idWords() string {
	const room = 80
	at := s.IDAt()
	if at.kind == nowhere {
		return s.HashWords()
	}
	first, _, more := strings.Cut(at.String(), " + ")
	if more && len(at.String()) > room {
		return "`" + first + " + …`"
	}
	return code(at)
}

// HashWords says for how long equal bodies are one event where the hash of the body is the id.
func (s *Sender) HashWords() string {
	if s.Dated {
		return "hash of the body"
	}
	return "hash of the body, for " + EqualBodies.String()
}

func code(v Value) string {
	if v.kind == nowhere {
		return ""
	}
	return "`" + v.String() + "`"
}
