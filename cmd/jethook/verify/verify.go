// Package verify explains why a request passes or fails verification: it verifies as the server does, tries the usual mistakes, and
// tells what to change. It stores nothing and prints no secret.
package verify

import (
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
		fmt.Fprintf(w, "Warning: %s: %s\n", cli.Printable(of), warning)
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
