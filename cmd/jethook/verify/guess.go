package verify

import (
	"encoding/base64"
	"encoding/hex"
	"strings"
)

// end is the mark that ends a sentence.
func end(sentence string) string {
	if strings.HasSuffix(sentence, "?") {
		return ""
	}
	return "."
}

// guessed is a sample with a slip undone.
type guessed struct {
	when   string
	sample sample
}

type headerForm struct{ what, text string }

func otherForms(value, set string) []headerForm {
	prefix, digest := "", value
	if before, after, found := strings.Cut(value, "="); found && after != "" && after != "=" {
		prefix, digest = before+"=", strings.TrimSpace(after)
	}
	var forms []headerForm
	if prefix != "" {
		forms = append(forms, headerForm{"read without the prefix " + prefix, digest})
	}
	for _, missing := range []string{"sha256=", "sha1=", "sha512=", "v1,", "Bearer ", set} {
		if missing == "" {
			continue
		}
		forms = append(forms, headerForm{"read with the prefix " + missing, missing + value})
	}
	if sum, err := base64.StdEncoding.DecodeString(digest); err == nil && len(sum) >= 20 {
		forms = append(forms,
			headerForm{"in base64, although the provider uses hex", prefix + hex.EncodeToString(sum)},
			headerForm{"in base64, although the provider uses hex, and without the prefix", hex.EncodeToString(sum)})
	}
	if sum, err := hex.DecodeString(digest); err == nil && len(sum) >= 20 {
		forms = append(forms,
			headerForm{"in hex, although the provider uses base64", prefix + base64.StdEncoding.EncodeToString(sum)},
			headerForm{"in hex, although the provider uses base64, and without the prefix", base64.StdEncoding.EncodeToString(sum)})
	}
	return forms
}
