package client

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"

	"github.com/spf13/cobra"
)

// Filters are the flags that choose from a list, with their help. They are named as the API's parameters.
var Filters = map[string]string{
	"endpoint": "only of the endpoint with this id or name",
	"status":   "only in this state: delivered, waiting, or dead",
	"subject":  "only on this subject or pattern, such as webhooks.polar.> (default all webhooks and events)",
	"type":     "only of this event type, or of types that match a pattern such as order.*",
	"event":    "only of the event with this id",
	"delivery": "only of the delivery with this id",
	"outcome":  "only with this outcome: delivered, failed, dead, circuit_opened, circuit_closed, or missed",
	"class":    "only with this class of failure, such as timeout, status, or dns; ok for success",
	"code":     "only with this HTTP status of the response",
	"reason":   "only with this reason, such as bad_signature",
	"since":    "only since a time (RFC 3339), or from the last period, such as 24h",
	"until":    "only before a time (RFC 3339), or older than a period, such as 1h",
	"limit":    "maximum number of items, 1 to 500 (default 50)",
	"cursor":   "continue after the page that printed this cursor",
}

// AddFilters adds some of the [Filters] to a command.
func AddFilters(cmd *cobra.Command, names ...string) {
	for _, name := range names {
		cmd.Flags().String(name, "", Filters[name])
		if name == "endpoint" {
			TakesEndpointFlag(cmd)
		}
	}
}

// Query returns the filters that are given as a query of the API.
func Query(cmd *cobra.Command) string {
	return QueryOf(cmd, slices.Collect(maps.Keys(Filters))...)
}

// QueryOf is [Query] for some of the filters.
func QueryOf(cmd *cobra.Command, names ...string) string {
	q := url.Values{}
	for _, name := range names {
		if f := cmd.Flags().Lookup(name); f != nil && f.Changed {
			q.Set(name, f.Value.String())
		}
	}
	if len(q) == 0 {
		return ""
	}
	return "?" + q.Encode()
}

// List prints a page of the list at a path as show writes it, and tells how to go on: show returns the next page's cursor.
func List[T any](cmd *cobra.Command, path string, show func(w io.Writer, page *T) (cursor string)) error {
	var cursor string
	err := Call(cmd, http.MethodGet, path, nil, func(w io.Writer, page *T) { cursor = show(w, page) })
	More(cmd, cursor)
	return err
}

// More tells how to go on, beside the table and not in it.
func More(cmd *cobra.Command, cursor string) {
	if cursor != "" {
		fmt.Fprintf(cmd.ErrOrStderr(), "More results are available; continue with --cursor %s\n", cursor)
	}
}
