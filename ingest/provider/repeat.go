package provider

import (
	"fmt"
	"strings"

	"github.com/tidwall/gjson"
)

var errRepeated = fmt.Errorf("a field is repeated: %w", ErrMalformedBody)

// repeats reports whether a JSON object has a name twice, in any case: readers differ in which value they take, and only
// one is verified.
func repeats(object gjson.Result) bool {
	seen := map[string]bool{}
	twice := false
	object.ForEach(func(name, _ gjson.Result) bool {
		folded := strings.ToLower(name.Str)
		twice = seen[folded]
		seen[folded] = true
		return !twice
	})
	return twice
}
