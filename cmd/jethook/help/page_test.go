package help

import (
	"strings"
	"testing"
)

func TestPlain(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("word ", 25)
	for name, test := range map[string]struct{ markdown, want string }{
		"headings":          {"# A `b`\n\n## C\n\n### D\n", "A b\n===\n\nC\n-\n\nD\n"},
		"marks":             {"**Note** *this* `webhooks.*` and `a**b`.\n", "Note this webhooks.* and a**b.\n"},
		"marks around code": {"**See `URL`**: x\n", "See URL: x\n"},
		"command":           {"See `endpoint rm`.\n", "See 'endpoint rm'.\n"},
		"links":             {"[page](a.md), [away](https://b)\n", "page (see a.md), away (see https://b)\n"},
		"link over lines":   {"a [b\nc](d)\n", "a b c (see d)\n"},
		"code":              {"```sh\na `b` **c**\n\n```\n", "    a `b` **c**\n\n"},
		"comment":           {"<!-- x -->\na\n", "a\n"},
		"wrapped":           {long + "\n", strings.Repeat("word ", 19) + "word\n" + strings.Repeat("word ", 4) + "word\n"},
		"list":              {"- a\n  b\n- c\n  1. " + long + "\n", "- a b\n- c\n  1. " + strings.Repeat("word ", 18) + "word\n     " + strings.Repeat("word ", 5) + "word\n"},
		"narrow table":      {"| a | b |\n|---|---|\n| `1` | x\\|y |\n", "a  b\n1  x|y\n"},
		"wide table":        {"| a | b | c |\n|---|---|---|\n| 1 | " + long + "|  |\n", "1\n    b: " + strings.Repeat("word ", 17) + "word\n      " + strings.Repeat("word ", 6) + "word\n"},
		"wide, two columns": {"| a | b |\n|---|---|\n| 1 | " + long + "|\n", "1\n    " + strings.Repeat("word ", 18) + "word\n    " + strings.Repeat("word ", 5) + "word\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := plain(test.markdown, func(target string) string { return "see " + target }); strings.TrimRight(got, "\n") != strings.TrimRight(test.want, "\n") {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
}
