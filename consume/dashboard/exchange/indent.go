package exchange

import "strings"

// maxDepth is how far JSON is indented: what lies deeper stands below it. Without a bound, 20 kB of brackets would become 200 MB.
const maxDepth = 40

// indented lays valid JSON out, with every number, escape and key as it came, until it has written limit bytes; whole is false
// when something is left.
func indented(body []byte, limit int) (text string, whole bool) {
	var b strings.Builder
	depth := 0
	line := func() {
		b.WriteByte('\n')
		for range min(depth, maxDepth) {
			b.WriteString("  ")
		}
	}
	for i := 0; i < len(body); i++ {
		if b.Len() > limit {
			return b.String(), false
		}
		switch c := body[i]; c {
		case ' ', '\t', '\r', '\n':
		case '{', '[':
			b.WriteByte(c)
			if next := afterSpace(body, i+1); next < len(body) && body[next] == c+2 { // in ASCII, each closes two after it opens
				b.WriteByte(body[next])
				i = next
				break
			}
			depth++
			line()
		case '}', ']':
			depth--
			line()
			b.WriteByte(c)
		case ',':
			b.WriteByte(c)
			line()
		case ':':
			b.WriteString(": ")
		case '"':
			end := stringEnd(body, i)
			b.Write(body[i:min(end, i+limit+1)]) // the caller cuts off what is too much
			i = end - 1
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), b.Len() <= limit
}

// afterSpace is the place of the first byte from i on that is no white space.
func afterSpace(body []byte, i int) int {
	for i < len(body) && strings.IndexByte(" \t\r\n", body[i]) >= 0 {
		i++
	}
	return i
}

// stringEnd is the place behind the string that begins at i.
func stringEnd(body []byte, i int) int {
	for i++; i < len(body) && body[i] != '"'; i++ {
		if body[i] == '\\' {
			i++
		}
	}
	return min(i+1, len(body))
}
