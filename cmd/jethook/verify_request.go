package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/net/http/httpguts"

	"jethook/config"
	"jethook/ingest"
	"jethook/ingest/provider"
)

// keys is where the sender's keys come from.
func (a *sample) keys() provider.KeySource {
	if a.fetch && a.given.JWKS == nil && a.given.Certs == nil {
		return ingest.NewKeySource()
	}
	return a.given
}

func (a *sample) request() *http.Request {
	return &http.Request{
		Method: a.method, URL: &url.URL{RawQuery: a.query}, Header: a.header,
		Body: io.NopCloser(bytes.NewReader(a.body)), ContentLength: -1,
	}
}

// sentTo sets the address that the request was sent to, which is also the one that the sender signs.
func (a *sample) sentTo(address string) {
	a.source.URL = address
	_, a.query, _ = strings.Cut(address, "?")
}

// sample reads the flags of one request. What is wrong with them is a usageError.
func (f *verifyFlags) sample(cmd *cobra.Command) (*sample, error) {
	if err := f.check(); err != nil {
		return nil, usageError{err}
	}
	a := &sample{method: f.method, header: http.Header{}, fetch: true}
	if err := f.readSource(a, cmd); err != nil {
		return nil, err
	}
	if err := f.readKeys(a); err != nil {
		return nil, err
	}
	for _, line := range f.headers {
		name, value, found := strings.Cut(line, ":")
		if !found || !httpguts.ValidHeaderFieldName(name) {
			return nil, usageError{errors.New("--header must be 'Name: value'")} // a header may be a secret
		}
		a.header.Add(name, strings.TrimSpace(value))
	}
	var err error
	if a.now, err = parseNow(f.now); err != nil {
		return nil, usageError{err}
	}
	a.body = []byte(f.body)
	if f.bodyFile != "" {
		if a.body, err = readInput(f.bodyFile, cmd.InOrStdin()); err != nil {
			return nil, usageError{fmt.Errorf("reading --body-file: %w", err)}
		}
	}
	return a, nil
}

// readDash takes --secret - for --secret-file -.
func (f *verifyFlags) readDash() {
	if f.secretFile == "" && slices.Equal(f.secrets, []string{standardInput}) {
		f.secrets, f.secretFile = nil, standardInput
	}
}

// check finds flags that contradict each other.
func (f *verifyFlags) check() error {
	switch {
	case f.source == "" && f.provider == "":
		return errors.New("missing --provider or --source")
	case f.changed("secret") && f.changed("secret-file"):
		return errors.New("--secret and --secret-file can't be combined")
	case f.changed("body") && f.changed("body-file"):
		return errors.New("--body and --body-file can't be combined")
	case f.secretFile == "-" && f.bodyFile == "-":
		return errors.New("--secret-file and --body-file can't both read standard input")
	}
	if f.url != "" {
		u, err := url.Parse(f.url)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.Fragment != "" {
			return errors.New("--url must be a complete URL, such as https://hooks.example.com/webhooks/twilio")
		}
	}
	return nil
}

// readSource fills in whose request it is: what is configured, and over it what the flags say.
func (f *verifyFlags) readSource(a *sample, cmd *cobra.Command) error {
	a.source = config.Source{Name: f.source, Provider: f.source, Split: true}
	a.maxBody = int64(config.Default().MaxBody)
	if f.source == "" {
		a.source.Name = f.provider
	} else if err := f.readConfiguration(a); err != nil {
		return err
	}
	override := func(field *string, flag string) {
		if flag != "" {
			*field = flag
		}
	}
	override(&a.source.Provider, f.provider)
	override(&a.source.Audience, f.audience)
	override(&a.source.Email, f.email)
	if f.url != "" {
		a.sentTo(f.url)
	}
	secrets := f.secrets
	if len(secrets) > 0 {
		warnOfArgument(cmd, "secret")
	}
	if f.secretFile != "" {
		secret, err := readSecret(cmd, "secret", f.secretFile)
		if err != nil {
			return err
		}
		secrets = []string{secret}
	}
	if len(secrets) > 0 {
		a.source.Secrets = nil
	}
	for _, s := range secrets {
		a.source.Secrets = append(a.source.Secrets, config.NewSecret(s))
	}
	return nil
}

// readConfiguration takes the source over from the environment, if it is there.
func (f *verifyFlags) readConfiguration(a *sample) error {
	cfg, err := config.Load()
	if err != nil {
		return err
	}
	a.maxBody = int64(cfg.MaxBody)
	i := slices.IndexFunc(cfg.Sources, func(s config.Source) bool { return s.Name == f.source })
	if i >= 0 {
		a.source = cfg.Sources[i]
		a.others = slices.Delete(slices.Clone(cfg.Sources), i, i+1)
	}
	return nil
}

// readKeys reads the sender's keys that are given.
func (f *verifyFlags) readKeys(a *sample) error {
	var err error
	if f.jwksFile != "" {
		if a.given.JWKS, err = os.ReadFile(f.jwksFile); err != nil {
			return usageError{fmt.Errorf("reading --jwks: %w", err)}
		}
	}
	for _, pair := range f.certs {
		i := strings.LastIndexByte(pair, '=') // an address may have one, too
		if i < 0 {
			return usageError{fmt.Errorf("--cert %q must be URL=FILE", pair)}
		}
		text, err := os.ReadFile(pair[i+1:])
		if err != nil {
			return usageError{fmt.Errorf("reading --cert: %w", err)}
		}
		if a.given.Certs == nil {
			a.given.Certs = map[string][]byte{}
		}
		a.given.Certs[pair[:i]] = text
	}
	return nil
}

// parseNow reads unix seconds or RFC 3339, and gives the present for nothing.
func parseNow(text string) (time.Time, error) {
	if text == "" {
		return time.Now(), nil
	}
	if seconds, err := strconv.ParseInt(text, 10, 64); err == nil {
		return time.Unix(seconds, 0), nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, fmt.Errorf("--now %q must be in Unix seconds or RFC 3339, such as 1790000000 or 2026-09-21T14:13:20Z", text)
	}
	return t, nil
}

// readInput reads a file, or the standard input for "-".
func readInput(path string, stdin io.Reader) ([]byte, error) {
	if path == "-" {
		return io.ReadAll(stdin)
	}
	return os.ReadFile(path)
}
