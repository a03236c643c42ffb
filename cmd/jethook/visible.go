package main

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"jethook/config"
)

// visible returns text for a terminal: control characters as the pictures that Unicode has of them, so that they can't
// be taken for the two characters \n, and what is not printable or not UTF-8 by its number.
func visible(text string) string {
	var b strings.Builder
	for i, size := 0, 0; i < len(text); i += size {
		var r rune
		r, size = utf8.DecodeRuneInString(text[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, "\\x%02x", text[i])
		case r < ' ':
			b.WriteRune('\u2400' + r)
		case r == '\x7f':
			b.WriteRune('\u2421')
		case !unicode.IsPrint(r):
			fmt.Fprintf(&b, "\\u{%x}", r)
		default:
			b.WriteString(text[i : i+size])
		}
	}
	return b.String()
}

// counted is a number of things, in words: "1 event", "2 events".
func counted[N int | uint64](n N, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprint(n, " ", thing, "s")
}

// What is left of a long text, in bytes. Senders put what they sign beside the body before or after it.
const (
	shownFirst = 600
	shownLast  = 200
)

// shorten leaves the middle of a long text out, and says how much.
func shorten(text string) string {
	if len(text) <= shownFirst+shownLast {
		return text
	}
	first, last := shownFirst, len(text)-shownLast
	for first > 0 && !utf8.RuneStart(text[first]) && first > shownFirst-utf8.UTFMax {
		first--
	}
	for last < len(text) && !utf8.RuneStart(text[last]) && last < len(text)-shownLast+utf8.UTFMax {
		last++
	}
	return fmt.Sprintf("%s … %d bytes omitted … %s", text[:first], last-first, text[last:])
}

// shortestHidden is how long a secret must be to be looked for: a shorter one stands in every other word.
const shortestHidden = 4

// concealer returns what puts {secret} in the place of every secret, and of each half of one that is a pair.
func concealer(secrets []config.Secret, learned string) func(string) string {
	var pairs []string
	add := func(secret string) {
		if len(secret) >= shortestHidden {
			pairs = append(pairs, secret, "{secret}")
		}
	}
	for _, s := range secrets {
		add(s.Reveal())
		if _, second, pair := strings.Cut(s.Reveal(), ":"); pair {
			add(second)
		}
		for part := range strings.SplitSeq(s.Reveal(), ",") { // it may hold several
			add(strings.TrimSpace(part))
		}
	}
	add(learned)
	return strings.NewReplacer(pairs...).Replace
}
