package main

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

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"jethook/config"
	"jethook/ingest"
	"jethook/ingest/provider"
)

// vector is one request of a file; fields that are not here are ignored.
type vector struct {
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
func readVectors(text []byte) ([]vector, error) {
	var elements []json.RawMessage
	if err := json.Unmarshal(text, &elements); err != nil {
		return nil, fmt.Errorf("not a JSON array: %w", err)
	}
	vectors := make([]vector, len(elements))
	for i, element := range elements {
		if err := vectors[i].read(element); err != nil {
			return nil, fmt.Errorf("element %d: %w", i, err)
		}
	}
	return vectors, nil
}

func (v *vector) read(element []byte) error {
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

func (v *vector) sample() *sample {
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

// verifyResult is what became of a request, in the words of the file.
type verifyResult struct {
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

func (v *vector) verify(stderr io.Writer) verifyResult {
	a := v.sample()
	trial, err := ingest.NewTrial(a.source, a.given, a.maxBody)
	if err != nil {
		return verifyResult{ID: v.ID, Reason: unknownProvider}
	}
	warnOfSecrets(stderr, v.ID, trial)
	verdict := trial.Receive(a.request(), a.now)
	answer := verdict.Outcome.Answer
	r := verifyResult{
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

func (f *verifyFlags) verifyFile(cmd *cobra.Command) error {
	var alone error
	cmd.Flags().Visit(func(flag *pflag.Flag) {
		if flag.Name != "file" && flag.Name != "json" {
			alone = usageError{errors.New("--file and --" + flag.Name + " can't be combined")}
		}
	})
	if alone != nil {
		return alone
	}
	text, err := readInput(f.vectorFile, cmd.InOrStdin())
	if err != nil {
		return usageError{fmt.Errorf("reading --file: %w", err)}
	}
	vectors, err := readVectors(text)
	if err != nil {
		return usageError{fmt.Errorf("reading --file %s: %w", f.vectorFile, err)}
	}
	results := make([]verifyResult, len(vectors))
	failed := 0
	for i := range vectors {
		results[i] = vectors[i].verify(cmd.ErrOrStderr())
		if !results[i].Verified {
			failed++
		}
	}
	if f.printJSON {
		err = writeJSON(cmd.OutOrStdout(), results...)
	} else {
		err = writeResults(cmd.OutOrStdout(), results, failed)
	}
	if err == nil && failed > 0 {
		err = fmt.Errorf("%w: %d of %d", errNotVerified, failed, len(results))
	}
	return err
}

// writeJSON writes one object a line.
func writeJSON[T any](w io.Writer, values ...T) error {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	for _, v := range values {
		if err := encoder.Encode(v); err != nil {
			return fmt.Errorf("encoding the result: %w", err)
		}
	}
	_, err := w.Write(text.Bytes())
	return err
}

func writeResults(w io.Writer, results []verifyResult, failed int) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row(table, "ID", "VERIFIED", "STATUS", "TYPE", "EVENT ID", "SUBJECT")
	for _, r := range results {
		verified := "yes"
		if !r.Verified {
			verified = "no: " + r.Reason
		}
		row(table, r.ID, verified, r.Status, dashIfNil(r.EventType), dashIfNil(r.EventID), dashIfNil(r.Subject))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "\n%s: %d verified, %d failed\n", counted(len(results), "request"), len(results)-failed, failed)
	return err
}

func dashIfNil(s *string) string {
	if s == nil {
		return "-"
	}
	return *s
}
