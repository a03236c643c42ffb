package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"jethook/cmd/jethook/cli"
	"jethook/config"
	"jethook/consume/admin/endpoints"
	"jethook/consume/admin/operation"
	"jethook/consume/endpoint"
)

// timeout is longer than the API takes for its slowest request.
const timeout = 3 * time.Minute

// Client makes requests of the admin API.
type Client struct {
	URL   string // of the API, without a slash at its end
	Token config.Secret
	http  http.Client
}

// At returns a client of the API at a URL.
func At(address string, token config.Secret) *Client {
	return &Client{URL: URLOf(address), Token: token, http: http.Client{
		Timeout: timeout,
		// The API never redirects, and the token is for nobody else.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// New returns a client of the API that a command's flags and the environment name.
func New(cmd *cobra.Command) (*Client, error) {
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
	url, transport, err := Reach(cfg, address)
	if err != nil {
		return nil, err
	}
	c := At(url, token)
	c.http.Transport = transport
	return c, nil
}

// maxAnswer bounds, in bytes, an answer that is read; a page of the API is far smaller.
const maxAnswer = 64 << 20

// Do makes a request, with body as JSON unless it is nil, and returns the answer's body. An answer that is not
// a success is an error that says what the API said.
func (c *Client) Do(ctx context.Context, method, path string, body any) ([]byte, error) {
	content, err := encode(body)
	if err != nil {
		return nil, fmt.Errorf("encoding the request: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.URL+path, bytes.NewReader(content))
	if err != nil {
		return nil, cli.Usagef("--admin: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+c.Token.Reveal())
	req.Header.Set("Content-Type", "application/json")
	res, err := c.http.Do(req)
	if errors.Is(err, syscall.ECONNREFUSED) {
		return nil, fmt.Errorf("connection to %s refused; is 'jethook serve' running? "+
			"If it listens elsewhere, set JETHOOK_ADMIN_LISTEN or pass --admin", c.URL)
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

// RawBody is JSON that is sent byte for byte.
type RawBody []byte

func encode(body any) ([]byte, error) {
	switch b := body.(type) {
	case nil:
		return nil, nil
	case RawBody:
		return b, nil
	default:
		return json.Marshal(b)
	}
}

// refusal is what the API said instead of doing what it was asked, with a line for each field that is wrong. A
// value that the API refuses is a wrong use of the command, as one that the command itself refuses.
func (c *Client) refusal(status int, answer []byte) error {
	var f operation.Failure
	switch err := json.Unmarshal(answer, &f); {
	case err != nil || f.Detail.Code == "":
		return fmt.Errorf("%s answered with status %d, but is not a Jethook admin API", c.URL, status)
	case status == http.StatusUnauthorized:
		return fmt.Errorf("%s rejected the admin token; set JETHOOK_ADMIN_TOKEN to the server's token, or JETHOOK_DATA_DIR to the server's data directory", c.URL)
	}
	text := "the admin API says: " + f.Detail.Message
	for _, field := range f.Detail.Fields {
		text += "\n  " + field.Field + ": " + field.Message
	}
	refused := &apiError{f.Detail.Code, text}
	if status == http.StatusUnprocessableEntity { // a value that was given is wrong
		return cli.Usage(refused)
	}
	return refused
}

// apiError is what the API said instead of doing what it was asked. Its code is stable.
type apiError struct{ code, text string }

func (e *apiError) Error() string { return e.text }

// RefusedWith reports whether the API refused with a code.
func RefusedWith(err error, code string) bool {
	refused, ok := errors.AsType[*apiError](err)
	return ok && refused.code == code
}

// Ask makes a request, decodes the answer, and returns it as it came too.
func (c *Client) Ask(ctx context.Context, method, path string, body, answer any) (raw []byte, err error) {
	if raw, err = c.Do(ctx, method, path, body); err != nil || len(raw) == 0 {
		return raw, err
	}
	if err := json.Unmarshal(raw, answer); err != nil {
		return nil, fmt.Errorf("reading the admin API's response: %w", err)
	}
	return raw, nil
}

// Endpoints reads every page of the list.
func (c *Client) Endpoints(ctx context.Context) (all []endpoint.Endpoint, err error) {
	for q := (url.Values{"limit": {"500"}}); ; {
		var page endpoints.EndpointPage
		if _, err := c.Ask(ctx, http.MethodGet, EndpointsPath+"?"+q.Encode(), nil, &page); err != nil {
			return nil, err
		}
		all = append(all, page.Items...)
		if page.NextCursor == "" {
			return all, nil
		}
		q.Set("cursor", page.NextCursor)
	}
}
