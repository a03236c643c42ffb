package event

import (
	"strings"
	"unicode/utf8"
)

// HeaderValue returns s in ASCII: the UTF-8 bytes of what is beyond it are percent-encoded. Some NATS clients drop every header of a message when one of them is not ASCII, and HTTP receivers read such bytes
// each in another way. A byte that is no UTF-8 counts as Latin-1, so that what is decoded always is UTF-8. A "%" stays as
// it is: headers hold it for reasons of their own, and signatures over them must still verify.
func HeaderValue(s string) string {
	first := strings.IndexFunc(s, func(r rune) bool { return r >= utf8.RuneSelf })
	if first < 0 {
		return s
	}
	var b strings.Builder
	b.Grow(len(s) + 16)
	b.WriteString(s[:first])
	for rest := s[first:]; rest != ""; {
		r, size := utf8.DecodeRuneInString(rest)
		if r == utf8.RuneError && size == 1 {
			r = rune(rest[0])
		}
		if r < utf8.RuneSelf {
			b.WriteByte(byte(r))
		} else {
			percentEncode(&b, r)
		}
		rest = rest[size:]
	}
	return b.String()
}

func percentEncode(b *strings.Builder, r rune) {
	const digits = "0123456789ABCDEF"
	var buf [utf8.UTFMax]byte
	for _, c := range buf[:utf8.EncodeRune(buf[:], r)] {
		b.Write([]byte{'%', digits[c>>4], digits[c&15]})
	}
}

// encodeValues encodes the values of a header where one needs it. The values may be a request's: they are not changed.
func encodeValues(values []string) []string {
	for i, value := range values {
		if encoded := HeaderValue(value); encoded != value {
			all := append([]string(nil), values[:i]...)
			for _, value := range values[i:] {
				all = append(all, HeaderValue(value))
			}
			return all
		}
	}
	return values
}
