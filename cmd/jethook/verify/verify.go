// Package verify explains why a request passes or fails verification: it verifies as the server does, tries the usual mistakes, and
// tells what to change. It stores nothing and prints no secret.
package verify

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/net/http/httpguts"

	"jethook/cmd/jethook/cli"
	"jethook/config"
	"jethook/ingest"
	"jethook/ingest/provider"
)

// flags are what one request is described by.
type flags struct {
	source, provider string
	secrets          []string
	secretFile       string
	method, url      string
	headers          []string
	body, bodyFile   string
	now              string
	audience, email  string
	jwksFile         string
	certs            []string
	vectorFile       string
	printJSON        bool
	changed          func(flag string) bool
}

// Command returns jethook verify.
func Command() *cobra.Command {
	f := &flags{}
	cmd := &cobra.Command{
		Use: "verify", Short: "Explain why a webhook passes or fails verification",
		Long: "Verify a request as the server does, and show the reason, what was signed, and how the server would answer. Nothing is stored " +
			"or confirmed, and no secret is printed.\n\nWith --source, provider, secret, URL, and options come from the JETHOOK_SOURCE_<NAME>_ " +
			"variables; other flags override them. With --file, the command verifies many requests and fetches no keys. The exit code is 0 if all pass, " +
			"1 if one fails, and 2 for incorrect usage or an unreadable file.",
		Example: `  jethook verify --source stripe --header 'Stripe-Signature: t=1790000000,v1=...' --body-file body.json --now 1790000000
  jethook verify --provider github --secret-file secret --header 'X-Hub-Signature-256: sha256=...' --body '{"zen": "..."}'
  jethook verify --provider meta --secret-file secret --method GET --url 'https://hooks.example.com/webhooks/meta?hub.mode=subscribe&...'
  jethook verify --file requests.json --json`,
		Args: cli.ExactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			f.changed = cmd.Flags().Changed
			f.readDash()
			if f.changed("file") {
				return f.verifyFile(cmd)
			}
			return f.verifyOne(cmd)
		},
	}
	f.define(cmd.Flags())
	return cmd
}

// warnOfSecrets says what a server would say of the secrets at its start.
func warnOfSecrets(w io.Writer, of string, trial *ingest.Trial) {
	for _, warning := range trial.Warnings() {
		fmt.Fprintf(w, "Warning: %s: %s\n", cli.Visible(of), warning)
	}
}

func (f *flags) define(flags *pflag.FlagSet) {
	flags.StringVar(&f.source, "source", "", "the source that received the request (default: the provider's name)")
	flags.StringVar(&f.provider, "provider", "", "the preset that verifies the request (default: the source's)")
	flags.StringArrayVar(&f.secrets, "secret", nil, "the secret; may be repeated, and any may match. Every user of this machine can see it; prefer --secret-file")
	flags.StringVar(&f.secretFile, "secret-file", "", "file with the secret, or - for standard input")
	flags.StringVar(&f.method, "method", http.MethodPost, "the request's method")
	flags.StringVar(&f.url, "url", "", "the public URL that the request was sent to, with its query")
	flags.StringArrayVar(&f.headers, "header", nil, "a request header, as 'Name: value'; may be repeated")
	flags.StringVar(&f.body, "body", "", "the request's body")
	flags.StringVar(&f.bodyFile, "body-file", "", "file with the exact body, or - for standard input")
	flags.StringVar(&f.now, "now", "", "when the request arrived, in Unix seconds or RFC 3339 (default: now)")
	flags.StringVar(&f.audience, "audience", "", "google-pubsub: the audience of the push subscription (default: its URL)")
	flags.StringVar(&f.email, "email", "", "google-pubsub: the service account that signs")
	flags.StringVar(&f.jwksFile, "jwks", "", "file with the sender's key set, instead of fetching it")
	flags.StringArrayVar(&f.certs, "cert", nil, "a sender's certificate as URL=FILE, instead of fetching it; may be repeated")
	flags.StringVar(&f.vectorFile, "file", "", "file with a JSON array of requests, or - for standard input")
	flags.BoolVar(&f.printJSON, "json", false, "print JSON; with --file one object per line")
}

// sample is a request to verify, and what with.
type sample struct {
	source  config.Source
	others  []config.Source     // of the same server
	given   provider.StaticKeys // keys that need not be fetched
	fetch   bool                // fetches keys when none are given
	maxBody int64
	method  string
	query   string
	header  http.Header
	body    []byte
	now     time.Time
}

// ErrNotVerified is the exit code of requests that do not verify; why is told on the standard output.
var ErrNotVerified = errors.New("not verified")

// knownProvider refuses a provider that there is not. It names the flag to change: source is that of --source, if given.
func knownProvider(source, name string) error {
	if _, ok := provider.Lookup(name); ok || name == "hmac" || name == "token" {
		return nil
	}
	if name == source {
		return fmt.Errorf("--source %q is neither in JETHOOK_SOURCES nor a known sender; pass --provider, see 'jethook help senders'", source)
	}
	return fmt.Errorf("--provider: unknown sender %q; list all with 'jethook help senders', or use hmac or token", name)
}

func (f *flags) verifyOne(cmd *cobra.Command) error {
	a, err := f.sample(cmd)
	if err != nil {
		return err
	}
	if err := knownProvider(f.source, a.source.Provider); err != nil {
		return cli.Usage(err)
	}
	trial, err := ingest.NewTrial(a.source, a.keys(), a.maxBody)
	if err != nil {
		return cli.Usage(err)
	}
	v := trial.Receive(a.request(), a.now)
	r := explain(a, trial.Sender(), &v)
	warnOfSecrets(cmd.ErrOrStderr(), a.source.Name, trial)
	if f.printJSON {
		err = writeJSON(cmd.OutOrStdout(), r)
	} else {
		err = r.print(cmd.OutOrStdout())
	}
	if err == nil && v.Err != nil {
		err = fmt.Errorf("%w: %s", ErrNotVerified, v.Reason)
	}
	return err
}

func (f *flags) verifyFile(cmd *cobra.Command) error {
	var alone error
	cmd.Flags().Visit(func(flag *pflag.Flag) {
		if flag.Name != "file" && flag.Name != "json" {
			alone = cli.Usagef("--file and --%s can't be combined", flag.Name)
		}
	})
	if alone != nil {
		return alone
	}
	text, err := readInput(f.vectorFile, cmd.InOrStdin())
	if err != nil {
		return cli.Usagef("reading --file: %w", err)
	}
	vectors, err := readVectors(text)
	if err != nil {
		return cli.Usagef("reading --file %s: %w", f.vectorFile, err)
	}
	results := make([]Result, len(vectors))
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
		err = fmt.Errorf("%w: %d of %d", ErrNotVerified, failed, len(results))
	}
	return err
}

// guess tries the slips that are made most often, and says with which of them undone the request verifies. It fetches
// nothing.
func (a *sample) guess(sender provider.Sender, reason string) []string {
	switch reason {
	case "too_old", "too_new":
		return a.otherTimes(sender)
	case "bad_signature", "bad_secret", "malformed_header", "missing_header", "missing_field":
	default:
		return nil
	}
	var hints []string
	for _, guesses := range [][]guessed{a.otherSecrets(), a.otherSources(), a.otherBodies(), a.otherURLs(), a.otherHeaders()} {
		for _, g := range guesses {
			if g.sample.verifies() {
				hints = append(hints, "It verifies "+g.when+end(g.when))
			}
		}
	}
	if names := a.otherSenders(); len(names) > 0 {
		hints = append(hints, "It verifies as a request from "+strings.Join(names, ", ")+"; is that the provider?")
	}
	return hints
}

// verifies reports whether the sample is an event that verifies. A handshake that anyone can send is none.
func (a *sample) verifies() bool {
	trial, err := ingest.NewTrial(a.source, a.given, a.maxBody)
	if err != nil {
		return false
	}
	v := trial.Receive(a.request(), a.now)
	return v.Err == nil && v.Outcome.Handshake == ""
}

func (a *sample) otherSecrets() (guesses []guessed) {
	add := func(when, before, after string) {
		if after == "" || after == before {
			return
		}
		b := *a
		b.source.Secrets = []config.Secret{config.NewSecret(after)}
		guesses = append(guesses, guessed{when, b})
	}
	for _, secret := range a.source.Secrets {
		s := secret.Reveal()
		add("without the whitespace around the secret", s, strings.TrimSpace(s))
		add("without the quotes around the secret", s, strings.Trim(s, `"'`))
		if rest, found := strings.CutPrefix(s, "whsec_"); found {
			add("without the prefix whsec_ of the secret", s, rest)
		}
		bare := strings.TrimPrefix(s, "whsec_")
		if key, err := base64.StdEncoding.DecodeString(bare); err == nil {
			add("when the secret is read as base64", s, string(key))
		}
		if key, err := hex.DecodeString(bare); err == nil {
			add("when the secret is read as hex", s, string(key))
		}
		const raw = "when the secret is used as plain text, not decoded"
		add(raw, s, base64.StdEncoding.EncodeToString([]byte(s)))
		add(raw, s, hex.EncodeToString([]byte(s)))
	}
	return guesses
}

// otherSources are those of the same server, whose secret may have been given to this one.
func (a *sample) otherSources() (guesses []guessed) {
	for _, other := range a.others {
		if len(other.Secrets) > 0 {
			b := *a
			b.source.Secrets = other.Secrets
			guesses = append(guesses, guessed{"with the secret of source " + other.Name + "; are the two mixed up?", b})
		}
	}
	return guesses
}

func (a *sample) otherBodies() (guesses []guessed) {
	add := func(when string, body []byte) {
		same := func(g guessed) bool { return bytes.Equal(body, g.sample.body) }
		if !bytes.Equal(body, a.body) && !slices.ContainsFunc(guesses, same) {
			b := *a
			b.body = body
			guesses = append(guesses, guessed{when, b})
		}
	}
	add("without the newline at the end of the body, which an editor or echo may have added", bytes.TrimRight(a.body, "\r\n"))
	add("with a newline at the end of the body", append(slices.Clone(a.body), '\n'))
	add("with LF instead of CRLF line endings in the body", bytes.ReplaceAll(a.body, []byte("\r\n"), []byte("\n")))
	add("with CRLF instead of LF line endings in the body", bytes.ReplaceAll(a.body, []byte("\n"), []byte("\r\n")))
	add("without the byte order mark at the start of the body", bytes.TrimPrefix(a.body, []byte("\ufeff")))
	var compact bytes.Buffer
	if json.Compact(&compact, a.body) == nil {
		add("without whitespace in the JSON; something has reformatted the body", compact.Bytes())
	}
	return guesses
}

func (a *sample) otherURLs() (guesses []guessed) {
	if a.source.URL == "" {
		return nil
	}
	add := func(address string) {
		if address != a.source.URL {
			b := *a
			b.sentTo(address)
			guesses = append(guesses, guessed{"when the URL is " + address, b})
		}
	}
	if strings.Contains(a.query, "+") {
		b := *a
		b.query = strings.ReplaceAll(a.query, "+", "%2B")
		guesses = append(guesses, guessed{"when + in the URL is not a space; a token that contains + must be encoded with %2B", b})
	}
	base, query, hasQuery := strings.Cut(a.source.URL, "?")
	if hasQuery {
		query = "?" + query
		add(base)
	}
	if rest, found := strings.CutPrefix(base, "http://"); found {
		add("https://" + rest + query)
	}
	if rest, found := strings.CutPrefix(base, "https://"); found {
		add("http://" + rest + query)
	}
	add(strings.TrimSuffix(base, "/") + query)
	add(strings.TrimSuffix(base, "/") + "/" + query)
	return guesses
}

// otherHeaders are those in which a signature is written in another encoding, or with another prefix.
func (a *sample) otherHeaders() (guesses []guessed) {
	for name, values := range a.header {
		if len(values) != 1 {
			continue
		}
		for _, form := range otherForms(values[0], a.source.Prefix) {
			b := *a
			b.header = a.header.Clone()
			b.header.Set(name, form.text)
			guesses = append(guesses, guessed{fmt.Sprintf("when header %s is %s", name, form.what), b})
		}
	}
	return guesses
}

// otherSenders are those that verify the request with the same secret.
func (a *sample) otherSenders() (names []string) {
	for _, s := range provider.All() {
		b := *a
		b.source.Provider = s.Name
		b.source.Header, b.source.Prefix, b.source.Algorithm, b.source.Encoding = "", "", "", ""
		open := s.Unsigned && len(a.source.Secrets) == 0 // then all requests verify
		if s.Name != a.source.Provider && !open && b.verifies() {
			names = append(names, s.Name)
		}
	}
	return names
}

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
func (f *flags) sample(cmd *cobra.Command) (*sample, error) {
	if err := f.check(); err != nil {
		return nil, cli.Usage(err)
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
			return nil, cli.Usagef("--header must be 'Name: value'") // a header may be a secret
		}
		a.header.Add(name, strings.TrimSpace(value))
	}
	var err error
	if a.now, err = parseNow(f.now); err != nil {
		return nil, cli.Usage(err)
	}
	a.body = []byte(f.body)
	if f.bodyFile != "" {
		if a.body, err = readInput(f.bodyFile, cmd.InOrStdin()); err != nil {
			return nil, cli.Usagef("reading --body-file: %w", err)
		}
	}
	return a, nil
}

// readDash takes --secret - for --secret-file -.
func (f *flags) readDash() {
	if f.secretFile == "" && slices.Equal(f.secrets, []string{cli.StandardInput}) {
		f.secrets, f.secretFile = nil, cli.StandardInput
	}
}

// check finds flags that contradict each other.
func (f *flags) check() error {
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
func (f *flags) readSource(a *sample, cmd *cobra.Command) error {
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
		cli.WarnOfArgument(cmd, "secret")
	}
	if f.secretFile != "" {
		secret, err := cli.ReadSecret(cmd, "secret", f.secretFile)
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
func (f *flags) readConfiguration(a *sample) error {
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
func (f *flags) readKeys(a *sample) error {
	var err error
	if f.jwksFile != "" {
		if a.given.JWKS, err = os.ReadFile(f.jwksFile); err != nil {
			return cli.Usagef("reading --jwks: %w", err)
		}
	}
	for _, pair := range f.certs {
		i := strings.LastIndexByte(pair, '=') // an address may have one, too
		if i < 0 {
			return cli.Usagef("--cert %q must be URL=FILE", pair)
		}
		text, err := os.ReadFile(pair[i+1:])
		if err != nil {
			return cli.Usagef("reading --cert: %w", err)
		}
		if a.given.Certs == nil {
			a.given.Certs = map[string][]byte{}
		}
		a.given.Certs[pair[:i]] = text
	}
	return nil
}

// otherTimes says what is wrong with the time of a request that is refused for that alone.
func (a *sample) otherTimes(sender provider.Sender) []string {
	then := *a
	then.now = time.Time{} // when the request says that it was made
	if !then.verifies() {
		return nil
	}
	signed, _ := sender.SignedAt(&provider.Request{Method: a.method, URL: a.source.URL, Query: a.query, Header: a.header, Body: a.body})
	switch off := signed.Sub(a.now); {
	case near(time.UnixMilli(signed.Unix()), a.now):
		return []string{"The timestamp is in milliseconds, but the provider uses seconds. The signature is valid."}
	case near(time.Unix(signed.UnixMilli(), 0), a.now):
		return []string{"The timestamp is in seconds, but the provider uses milliseconds. The signature is valid."}
	case off > 0:
		return []string{"It verifies at its own timestamp, which is " + off.Round(time.Second).String() + " ahead of --now."}
	default:
		return []string{"It verifies at its own timestamp, which is " + (-off).Round(time.Second).String() + " behind --now."}
	}
}
