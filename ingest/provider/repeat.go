package provider

import (
	"fmt"
	"slices"
	"strings"
	"unsafe"

	"github.com/tidwall/gjson"
)

var errRepeated = fmt.Errorf("a field is repeated: %w", ErrMalformedBody)

// maxNames bounds the names of an object that are looked through before anything is verified.
const maxNames = 1000

// repeats reports whether a JSON object has one of the names twice, in any case: readers differ in which value they take,
// and only one is verified. An object of more names than any sender's counts as repeating one. Only the given names are
// remembered: a stranger chooses how many there are.
func repeats(object gjson.Result, names ...string) bool {
	seen := make([]bool, len(names))
	bad, n := false, 0
	object.ForEach(func(name, _ gjson.Result) bool {
		n++
		bad = n > maxNames
		if i := slices.IndexFunc(names, func(want string) bool { return strings.EqualFold(want, name.Str) }); i >= 0 {
			bad = bad || seen[i]
			seen[i] = true
		}
		return !bad
	})
	return bad
}

// view is a body as text, without a copy: neither may outlive the request, and a body is never written to.
func view(body []byte) string { return unsafe.String(unsafe.SliceData(body), len(body)) }
