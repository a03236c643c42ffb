package address

import "strings"

// forwardedFor returns what the elements of a Forwarded header name as the one that they are for, with its port if there is
// one: https://www.rfc-editor.org/rfc/rfc7239#section-4. An element that names none, and all of a header
// that is not of the form, is an empty text, which is no address. A quote that a stranger left open must not hide what the
// proxy added behind it: such a header is not of the form.
func forwardedFor(lines []string) (hops []string) {
	if len(lines) == 0 {
		return nil
	}
	rest := strings.Join(lines, ",")
	for {
		hop, after, ok := forwardedElement(rest)
		if !ok {
			return []string{""}
		}
		hops = append(hops, hop)
		if after == "" {
			return hops
		}
		rest = after[1:] // behind the comma
	}
}

// forwardedElement reads one element: pairs with a ";" between each two. After it there is nothing, or a comma.
func forwardedElement(s string) (hop, rest string, ok bool) {
	named := false
	for {
		name, value, found := strings.Cut(s, "=")
		if !found || strings.ContainsAny(name, `",;`) {
			return "", "", false
		}
		if value, rest, ok = forwardedValue(value); !ok {
			return "", "", false
		}
		if strings.EqualFold(strings.TrimSpace(name), "for") {
			if named {
				return "", "", false
			}
			hop, named = value, true
		}
		if rest == "" || rest[0] == ',' {
			return hop, rest, true
		}
		s = rest[1:] // behind the semicolon
	}
}

// forwardedValue reads a token or a quoted text. Behind it there is nothing, a comma, or a semicolon. No address needs a
// backslash: what has one is not read.
func forwardedValue(s string) (value, rest string, ok bool) {
	quoted, isQuoted := strings.CutPrefix(s, `"`)
	if !isQuoted {
		end := strings.IndexAny(s, ",;")
		if end < 0 {
			end = len(s)
		}
		value = strings.TrimSpace(s[:end])
		return value, s[end:], !strings.ContainsAny(value, `"= `)
	}
	value, rest, closed := strings.Cut(quoted, `"`)
	rest = strings.TrimLeft(rest, " \t")
	return value, rest, closed && !strings.Contains(value, `\`) && (rest == "" || rest[0] == ',' || rest[0] == ';')
}
