package endpoint

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// roots are the subjects that are delivered. Others of Jethook's own, such as its retries, would feed back.
var roots = []string{"events.", "webhooks.", "jethook.ops."}

const (
	maxPatterns     = 100
	maxPatternBytes = 512
)

// checkPattern says what is wrong with a subject pattern: tokens with dots between them, "*" for any one
// token and ">" for one or more at the end, below one of the roots.
func checkPattern(pattern string) error {
	if len(pattern) > maxPatternBytes {
		return fmt.Errorf("must be at most %d bytes long", maxPatternBytes)
	}
	if !utf8.ValidString(pattern) {
		return errors.New("is not valid UTF-8")
	}
	if !hasRoot(pattern) {
		return fmt.Errorf("%q must start with %s", pattern, strings.Join(roots, ", "))
	}
	tokens := strings.Split(pattern, ".")
	for i, token := range tokens {
		switch {
		case token == "":
			return fmt.Errorf("%q has an empty token: two dots in a row, or one at the end", pattern)
		case token == ">" && i < len(tokens)-1:
			return fmt.Errorf("%q has > before its end", pattern)
		case token != ">" && token != "*" && strings.ContainsAny(token, "*>"):
			return fmt.Errorf("%q has a wildcard inside a token; * and > must stand alone between dots", pattern)
		case strings.ContainsFunc(token, notInToken):
			return fmt.Errorf("%q contains a space or a non-printable character", pattern)
		}
	}
	return nil
}

func hasRoot(pattern string) bool {
	for _, root := range roots {
		if strings.HasPrefix(pattern, root) {
			return true
		}
	}
	return false
}

func notInToken(r rune) bool { return unicode.IsSpace(r) || !unicode.IsGraphic(r) }
