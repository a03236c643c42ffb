package admin

import (
	"fmt"
	"hash/fnv"
	"strconv"
	"strings"
)

// A list's cursor carries a mark of the filters that it was made with: with others it would pass over what they
// choose, or repeat it. The filters are compared as they were given: "24h" ago is the same filter a minute later.

// mark is made of filters, which hold nothing but texts and numbers.
func mark(filters ...any) string {
	h := fnv.New32a()
	for _, f := range filters {
		fmt.Fprintf(h, "%+v\n", f)
	}
	return strconv.FormatUint(uint64(h.Sum32()), 36)
}

// sealCursor returns the cursor for the next page; none for none.
func sealCursor(cursor, mark string) string {
	if cursor == "" {
		return ""
	}
	return mark + "." + cursor
}

// openCursor reads what sealCursor made. It returns false when the filters were others.
func openCursor(sealed, mark string) (cursor string, ok bool) {
	if sealed == "" {
		return "", true
	}
	cursor, ok = strings.CutPrefix(sealed, mark+".")
	return cursor, ok && cursor != ""
}
