package operation

import (
	"fmt"
	"hash/fnv"
	"strconv"
	"strings"
)

// A list's cursor carries a mark of the filters that it was made with: with others it would pass over what they
// choose, or repeat it. The filters are compared as they were given: "24h" ago is the same filter a minute later.

// Mark is made of filters, which hold nothing but texts and numbers.
func Mark(filters ...any) string {
	h := fnv.New32a()
	for _, f := range filters {
		fmt.Fprintf(h, "%+v\n", f)
	}
	return strconv.FormatUint(uint64(h.Sum32()), 36)
}

// Page reads a page of a list. The fields say what is wrong with the filters, and the mark is made of them: a cursor that was
// made with others is refused.
func Page[T any](
	sealed, mark string, fields []FailureField, read func(cursor string) (items []T, next string, err error),
) (items []T, next string, err error) {
	cursor, ok := OpenCursor(sealed, mark)
	if !ok {
		fields = append(fields, BadCursor)
	}
	if len(fields) > 0 {
		return nil, "", Invalid(fields...)
	}
	items, next, err = read(cursor)
	return items, SealCursor(next, mark), err
}

// SealCursor returns the cursor for the next page; none for none.
func SealCursor(cursor, mark string) string {
	if cursor == "" {
		return ""
	}
	return mark + "." + cursor
}

// OpenCursor reads what SealCursor made. It returns false when the filters were others.
func OpenCursor(sealed, mark string) (cursor string, ok bool) {
	if sealed == "" {
		return "", true
	}
	cursor, ok = strings.CutPrefix(sealed, mark+".")
	return cursor, ok && cursor != ""
}

// BadCursor is what is wrong with a cursor of another list, or of other filters.
var BadCursor = FailureField{Field: "cursor", Message: "is not a next_cursor of this list with these filters"}
