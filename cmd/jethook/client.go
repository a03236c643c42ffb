package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"jethook/config"
	"jethook/consume/admin"
)

// clientGroup is a noun: a command over the admin API that holds its verbs, which share how to reach it and
// how to print.
func clientGroup(use, short string, verbs ...*cobra.Command) *cobra.Command {
	group := &cobra.Command{
		Use: use, Short: short, RunE: needsCommand,
		Long: short + "." + clientHelp,
	}
	addClientFlags(group)
	group.AddCommand(verbs...)
	return group
}

// clientHelp says in a command's help whom it asks.
const clientHelp = "\n\nThe command calls the admin API at --admin or JETHOOK_ADMIN_LISTEN. It logs in with JETHOOK_ADMIN_TOKEN or, " +
	"on the server's machine, with the token in JETHOOK_DATA_DIR."

// addClientFlags adds how to reach the admin API and how to print.
func addClientFlags(cmd *cobra.Command) {
	flags := cmd.PersistentFlags()
	flags.String("admin", "", "address or URL of the admin API (default JETHOOK_ADMIN_LISTEN)")
	flags.Bool("json", false, "print the API's JSON unchanged")
}

// clientTimeout is longer than the API takes for its slowest request.
const clientTimeout = 3 * time.Minute

// client makes requests of the admin API.
type client struct {
	url   string
	token config.Secret
	http  http.Client
}

func newClient(cmd *cobra.Command) (*client, error) {
	cfg, err := config.Load()
	if err != nil {
		return nil, err
	}
	address, err := cmd.Flags().GetString("admin")
	if err != nil {
		return nil, err
	}
	if address == "" {
		address = cfg.AdminListen
	}
	token, err := cfg.ReadAdminToken()
	if err != nil {
		return nil, err
	}
	url, transport, err := reach(cfg, address)
	if err != nil {
		return nil, err
	}
	return &client{url: url, token: token, http: http.Client{
		Timeout: clientTimeout, Transport: transport,
		// The API never redirects, and the token is for nobody else.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// adminURL is where a client reaches an API that listens on address, which may be a URL already. A server
// that listens on every address of its machine is asked on the machine itself.
func adminURL(address string) string {
	if strings.Contains(address, "://") {
		return strings.TrimRight(address, "/")
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "http://" + address
	}
	if ip, err := netip.ParseAddr(host); host == "" || err == nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port)
}

// maxAnswer bounds, in bytes, an answer that is read; a page of the API is far smaller.
const maxAnswer = 64 << 20

// do makes a request, with body as JSON unless it is nil, and returns the answer's body. An answer that is not
// a success is an error that says what the API said.
func (c *client) do(ctx context.Context, method, path string, body any) ([]byte, error) {
	content, err := encode(body)
	if err != nil {
		return nil, fmt.Errorf("encoding the request: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.url+path, bytes.NewReader(content))
	if err != nil {
		return nil, usageError{fmt.Errorf("--admin: %w", err)}
	}
	req.Header.Set("Authorization", "Bearer "+c.token.Reveal())
	req.Header.Set("Content-Type", "application/json")
	res, err := c.http.Do(req)
	if errors.Is(err, syscall.ECONNREFUSED) {
		return nil, fmt.Errorf("connection to %s refused; is 'jethook serve' running? "+
			"If it listens elsewhere, set JETHOOK_ADMIN_LISTEN or pass --admin", c.url)
	}
	if err != nil {
		return nil, fmt.Errorf("calling the admin API: %w", err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("reading the admin API's response: %w", err)
	}
	if res.StatusCode < 200 || res.StatusCode > 299 {
		return nil, c.refusal(res.StatusCode, answer)
	}
	return answer, nil
}

// rawBody is JSON that is sent byte for byte.
type rawBody []byte

func encode(body any) ([]byte, error) {
	switch b := body.(type) {
	case nil:
		return nil, nil
	case rawBody:
		return b, nil
	default:
		return json.Marshal(b)
	}
}

// refusal is what the API said instead of doing what it was asked, with a line for each field that is wrong. A
// value that the API refuses is a wrong use of the command, as one that the command itself refuses.
func (c *client) refusal(status int, answer []byte) error {
	var f admin.Failure
	switch err := json.Unmarshal(answer, &f); {
	case err != nil || f.Detail.Code == "":
		return fmt.Errorf("%s answered with status %d, but is not a Jethook admin API", c.url, status)
	case status == http.StatusUnauthorized:
		return fmt.Errorf("%s rejected the admin token; set JETHOOK_ADMIN_TOKEN to the server's token, or JETHOOK_DATA_DIR to the server's data directory", c.url)
	}
	text := "the admin API says: " + f.Detail.Message
	for _, field := range f.Detail.Fields {
		text += "\n  " + field.Field + ": " + field.Message
	}
	refused := &apiError{f.Detail.Code, text}
	if status == http.StatusUnprocessableEntity { // a value that was given is wrong
		return usageError{refused}
	}
	return refused
}

// apiError is what the API said instead of doing what it was asked. Its code is stable.
type apiError struct{ code, text string }

func (e *apiError) Error() string { return e.text }

// refusedWith reports whether the API refused with a code.
func refusedWith(err error, code string) bool {
	refused, ok := errors.AsType[*apiError](err)
	return ok && refused.code == code
}

// call makes a request and prints the answer: as it came with --json, and otherwise as show writes it.
func call[T any](cmd *cobra.Command, method, path string, body any, show func(w io.Writer, answer *T)) error {
	var answer T
	raw, err := ask(cmd, method, path, body, &answer)
	if err != nil {
		return err
	}
	return display(cmd, raw, func(w io.Writer) { show(w, &answer) })
}

// ask makes a request, decodes the answer, and returns it as it came too.
func ask(cmd *cobra.Command, method, path string, body, answer any) (raw []byte, err error) {
	c, err := newClient(cmd)
	if err != nil {
		return nil, err
	}
	return c.ask(cmd.Context(), method, path, body, answer)
}

func (c *client) ask(ctx context.Context, method, path string, body, answer any) (raw []byte, err error) {
	if raw, err = c.do(ctx, method, path, body); err != nil || len(raw) == 0 {
		return raw, err
	}
	if err := json.Unmarshal(raw, answer); err != nil {
		return nil, fmt.Errorf("reading the admin API's response: %w", err)
	}
	return raw, nil
}

// display prints raw with --json, and otherwise what show writes.
func display(cmd *cobra.Command, raw []byte, show func(w io.Writer)) error {
	if asJSON, err := cmd.Flags().GetBool("json"); err != nil || asJSON {
		return errors.Join(err, output(cmd, raw))
	}
	return printTable(cmd, show)
}

// askFor makes a request and returns the answer, for commands that make several.
func askFor[T any](cmd *cobra.Command, method, path string, body any) (answer T, err error) {
	_, err = ask(cmd, method, path, body, &answer)
	return answer, err
}

// show prints what several answers came to: as JSON with --json, and otherwise as table writes it.
func show(cmd *cobra.Command, sum any, table func(w io.Writer)) error {
	text, err := json.Marshal(sum)
	if err != nil {
		return fmt.Errorf("encoding the result: %w", err)
	}
	return display(cmd, append(text, '\n'), table)
}

func printTable(cmd *cobra.Command, write func(w io.Writer)) error {
	var text bytes.Buffer
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	write(table)
	if err := table.Flush(); err != nil {
		return err
	}
	return output(cmd, text.Bytes())
}

func output(cmd *cobra.Command, text []byte) error {
	_, err := cmd.OutOrStdout().Write(text)
	return err
}

// row writes one line of a table. What senders and endpoints chose may hold control characters, which must
// not reach a terminal.
func row(w io.Writer, cells ...any) {
	for i, cell := range cells {
		text := strings.Map(func(r rune) rune {
			if unicode.IsPrint(r) {
				return r
			}
			return '?'
		}, fmt.Sprint(cell))
		if i > 0 {
			text = "\t" + text
		}
		io.WriteString(w, text) // into memory
	}
	io.WriteString(w, "\n")
}

// stamp prints a time as logs do; nothing for none.
func stamp(t *time.Time) string {
	if t == nil || t.IsZero() {
		return "-"
	}
	return t.UTC().Format(time.RFC3339)
}

// filters are the flags that choose from a list, with their help. They are named as the API's parameters.
var filters = map[string]string{
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

func addFilters(cmd *cobra.Command, names ...string) {
	for _, name := range names {
		cmd.Flags().String(name, "", filters[name])
		if name == "endpoint" {
			takesEndpointFlag(cmd)
		}
	}
}

// query returns the filters that are given as a query of the API.
func query(cmd *cobra.Command) string {
	return queryOf(cmd, slices.Collect(maps.Keys(filters))...)
}

// queryOf is query for some of the filters.
func queryOf(cmd *cobra.Command, names ...string) string {
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

// more tells how to go on, beside the table and not in it.
func more(cmd *cobra.Command, cursor string) {
	if cursor != "" {
		fmt.Fprintf(cmd.ErrOrStderr(), "More results are available; continue with --cursor %s\n", cursor)
	}
}
