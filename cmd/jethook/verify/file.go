package verify

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"text/tabwriter"
	"time"

	"jethook/cmd/jethook/cli"
	"jethook/config"
	"jethook/ingest"
	"jethook/ingest/provider"
)

// Vector is one request of a file; fields that are not here are ignored.
type Vector struct {
	ID         string           `json:"id"`
	Kind       string           `json:"kind"` // "handshake" has the answer's headers printed
	Provider   string           `json:"provider"`
	Preset     string           `json:"preset"` // wins over provider
	Secret     string           `json:"secret"`
	Method     string           `json:"method"` // default POST
	URL        string           `json:"url"`
	Headers    map[string]lines `json:"headers"`
	Body       string           `json:"body"`
	BodyBase64 *string          `json:"body_base64"` // wins over body
	Now        *int64           `json:"now"`         // unix seconds; default when the sender signed it, if it says so, else now
	Options    struct {
		JWKS     json.RawMessage   `json:"jwks"`
		Certs    map[string]string `json:"certs"`
		Audience string            `json:"audience"`
		Email    string            `json:"email"`
	} `json:"options"`
}

// lines are those of one header: a text, or a list of texts where it is repeated.
type lines []string

// UnmarshalJSON implements [json.Unmarshaler].
func (l *lines) UnmarshalJSON(text []byte) error {
	if text[0] == '[' || string(text) == "null" {
		return json.Unmarshal(text, (*[]string)(l))
	}
	*l = make(lines, 1)
	return json.Unmarshal(text, &(*l)[0])
}

// readVectors reads all of a file before anything is verified.
func readVectors(text []byte) ([]Vector, error) {
	var elements []json.RawMessage
	if err := json.Unmarshal(text, &elements); err != nil {
		return nil, fmt.Errorf("not a JSON array: %w", err)
	}
	vectors := make([]Vector, len(elements))
	for i, element := range elements {
		if err := vectors[i].read(element); err != nil {
			return nil, fmt.Errorf("element %d: %w", i, err)
		}
	}
	return vectors, nil
}

func (v *Vector) read(element []byte) error {
	if err := json.Unmarshal(element, v); err != nil {
		return err
	}
	if v.Preset == "" {
		v.Preset = v.Provider
	}
	if v.Preset == "" {
		return errors.New("missing provider or preset")
	}
	if v.BodyBase64 != nil {
		body, err := base64.StdEncoding.DecodeString(*v.BodyBase64)
		if err != nil {
			return fmt.Errorf("body_base64: %w", err)
		}
		v.Body = string(body)
	}
	if string(v.Options.JWKS) == "null" {
		v.Options.JWKS = nil
	}
	return nil
}

func (v *Vector) sample() *sample {
	a := &sample{
		source: config.Source{
			Name: v.Preset, Provider: v.Preset, Split: true, Audience: v.Options.Audience, Email: v.Options.Email,
		},
		given:   provider.StaticKeys{JWKS: v.Options.JWKS, Certs: map[string][]byte{}},
		maxBody: int64(config.Default().MaxBody),
		method:  v.Method, header: http.Header{}, body: []byte(v.Body),
	}
	a.sentTo(v.URL)
	if v.Secret != "" {
		a.source.Secrets = []config.Secret{config.NewSecret(v.Secret)}
	}
	if a.method == "" {
		a.method = http.MethodPost
	}
	if v.Now != nil {
		a.now = time.Unix(*v.Now, 0)
	}
	for url, cert := range v.Options.Certs {
		a.given.Certs[url] = []byte(cert)
	}
	for _, name := range slices.Sorted(maps.Keys(v.Headers)) {
		for _, line := range v.Headers[name] {
			a.header.Add(name, line)
		}
	}
	return a
}

// Result is what became of a request, in the words of the file.
type Result struct {
	ID              string            `json:"id"`
	Verified        bool              `json:"verified"`
	Reason          string            `json:"reason"`
	EventType       *string           `json:"event_type"` // null: there is none
	EventID         *string           `json:"event_id"`
	Subject         *string           `json:"subject"`
	Status          int               `json:"status"`
	ResponseBody    string            `json:"response_body"`
	ResponseHeaders map[string]string `json:"response_headers,omitzero"`
}

// unknownProvider is the reason when there is no such sender. It spoils no other request of the file.
const unknownProvider = "unknown_provider"

func (v *Vector) verify(stderr io.Writer) Result {
	a := v.sample()
	trial, err := ingest.NewTrial(a.source, a.given, a.maxBody)
	if err != nil {
		return Result{ID: v.ID, Reason: unknownProvider}
	}
	warnOfSecrets(stderr, v.ID, trial)
	verdict := trial.Receive(a.request(), a.now)
	answer := verdict.Outcome.Answer
	r := Result{
		ID: v.ID, Verified: verdict.Err == nil, Reason: verdict.Reason,
		EventType: orNull(verdict.Type), EventID: orNull(verdict.ID), Status: answer.Status, ResponseBody: answer.Body,
	}
	if len(verdict.Stored) > 0 {
		r.Subject = orNull(verdict.Stored[0].Subject)
	}
	if v.Kind == "handshake" || verdict.Outcome.Handshake != "" {
		r.ResponseHeaders = headersOf(answer)
	}
	return r
}

func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// headersOf are the headers that an answer has of its own.
func headersOf(a provider.Answer) map[string]string {
	headers := map[string]string{}
	maps.Copy(headers, a.Header)
	if a.Body != "" {
		headers["Content-Type"] = a.ContentType
	}
	return headers
}

// writeJSON writes one object a line.
func writeJSON[T any](w io.Writer, values ...T) error {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	for _, v := range values {
		if err := encoder.Encode(v); err != nil {
			return fmt.Errorf("encoding the Result: %w", err)
		}
	}
	_, err := w.Write(text.Bytes())
	return err
}

func writeResults(w io.Writer, results []Result, failed int) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	cli.Row(table, "ID", "VERIFIED", "STATUS", "TYPE", "EVENT ID", "SUBJECT")
	for _, r := range results {
		verified := "yes"
		if !r.Verified {
			verified = "no: " + r.Reason
		}
		cli.Row(table, r.ID, verified, r.Status, dashIfNil(r.EventType), dashIfNil(r.EventID), dashIfNil(r.Subject))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "\n%s: %d verified, %d failed\n", cli.Counted(len(results), "request"), len(results)-failed, failed)
	return err
}

func dashIfNil(s *string) string {
	if s == nil {
		return "-"
	}
	return *s
}
