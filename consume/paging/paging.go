// Package paging has what lists that are read page by page share: how much one page holds, how long one call looks for it,
// and the cursors that say where the next page begins. It reads nothing itself.
package paging

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

const (
	// Max bounds a page.
	Max = 500
	// Patience bounds how long one call looks for what matches.
	Patience = 2 * time.Second
)

// ErrBadCursor means that a cursor is not one that a list returned.
var ErrBadCursor = errors.New("not a cursor of this list")

// ParsePlace reads the cursor of a list: the place in a stream below which it goes on.
func ParsePlace(text string) (uint64, error) {
	n, err := strconv.ParseUint(text, 36, 62)
	if err != nil || n == 0 {
		return 0, ErrBadCursor
	}
	return n, nil
}

// FormatPlace writes the cursor of a list.
func FormatPlace(before uint64) string { return strconv.FormatUint(before, 36) }

// FormatSpan writes the cursor of an operation on many messages: from where it goes on, and where it ends.
func FormatSpan(from, end uint64) string { return FormatPlace(from) + "-" + FormatPlace(end) }

// ParseSpan reads the cursor of an operation on many messages; two zeros when it is empty.
func ParseSpan(cursor string) (from, end uint64, err error) {
	if cursor == "" {
		return 0, 0, nil
	}
	first, last, _ := strings.Cut(cursor, "-")
	if from, err = ParsePlace(first); err == nil {
		end, err = ParsePlace(last)
	}
	return from, end, err
}
