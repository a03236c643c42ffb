package verify

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"jethook/config"
)

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
