package provider

import (
	"fmt"
	"strconv"
	"strings"
)

// Markdown is the README's table of senders.
func Markdown() string {
	var b strings.Builder
	b.WriteString("| provider | sender | secret | verified by | body | secrets in the body | event type | event id | answers |\n|---|---|---|---|---|---|---|---|---|\n")
	for _, s := range table {
		title := s.Title
		if s.Docs != "" {
			title = "[" + s.Title + "](" + s.Docs + ")"
		}
		secret := s.Secret
		if secret == "" {
			secret = "none"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s | %s | %s | %s | %s |\n",
			s.Name, title, secret, cell(s.Scheme.String()), s.coverage(), s.bodySecrets(), s.typeWords(), s.idWords(), s.answerWords())
	}
	return b.String()
}

// cell keeps a text inside one column.
func cell(s string) string { return strings.ReplaceAll(s, "|", "\\|") }

func (s *Sender) bodySecrets() string {
	words := make([]string, len(s.BodySecrets))
	for i, field := range s.BodySecrets {
		words[i] = "`" + field + "`"
	}
	return strings.Join(words, ", ")
}

func (s *Sender) typeWords() string {
	if s.Batch != nil {
		return code(s.Batch.Type) + " of each in `" + s.Batch.String() + "`"
	}
	return code(s.TypeAt())
}

func (s *Sender) idWords() string {
	if at := s.IDAt(); at.kind != nowhere {
		return code(at)
	}
	return s.HashWords()
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

// answerWords are "200 in 3 s, refused 401, answers url_verification".
func (s *Sender) answerWords() string {
	words := strconv.Itoa(s.Success.Status)
	if s.Success.Body != "" {
		words += " `" + s.Success.Body + "`"
	}
	if s.Wait > 0 {
		words += fmt.Sprintf(" in %d s", int(s.Wait.Seconds()))
	}
	for i, o := range s.Others {
		if i == 0 || o.Answer.Body != s.Others[i-1].Answer.Body {
			words += ", `" + o.Answer.Body + "` to"
		}
		words += " `" + o.Is + "`"
	}
	words += ", refused " + strconv.Itoa(s.Refusal.Status)
	for _, h := range s.Handshakes {
		words += ", answers " + h.Name
	}
	return words
}
