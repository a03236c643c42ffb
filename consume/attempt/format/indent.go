package format

import "bytes"

// maxIndent is the deepest indentation: deeper ones only push the text aside.
const maxIndent = 8

// indent lays out valid JSON on lines and stops when it has written most bytes, or a few more. json.Indent
// has no such bound: indentation alone can make megabytes of JSON into gigabytes.
func indent(src []byte, most int) []byte {
	dst := make([]byte, 0, min(2*len(src), most)+2*maxIndent)
	depth, inString, opened := 0, false, false
	newLine := func() {
		dst = append(dst, '\n')
		dst = append(dst, bytes.Repeat([]byte("  "), min(depth, maxIndent))...)
	}
	for i := 0; i < len(src) && len(dst) < most; i++ {
		ch := src[i]
		switch {
		case inString:
			dst = append(dst, ch)
			if ch == '\\' && i+1 < len(src) {
				i++
				dst = append(dst, src[i])
			}
			inString = ch != '"'
			continue
		case ch == ' ' || ch == '\t' || ch == '\r' || ch == '\n':
			continue
		case ch == '}' || ch == ']':
			depth--
			if !opened {
				newLine()
			}
		case opened:
			newLine()
		}
		dst = append(dst, ch)
		opened = ch == '{' || ch == '['
		switch ch {
		case '{', '[':
			depth++
		case ',':
			newLine()
		case ':':
			dst = append(dst, ' ')
		case '"':
			inString = true
		}
	}
	return dst
}
