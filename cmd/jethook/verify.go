package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"jethook/config"
	"jethook/ingest"
	"jethook/ingest/provider"
)

// verifyFlags are what one request is described by.
type verifyFlags struct {
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

func verifyCommand() *cobra.Command {
	f := &verifyFlags{}
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
		Args: exactArgs(),
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
		fmt.Fprintf(w, "Warning: %s: %s\n", visible(of), warning)
	}
}

func (f *verifyFlags) define(flags *pflag.FlagSet) {
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

// errNotVerified is the exit code of requests that do not verify; why is told on the standard output.
var errNotVerified = errors.New("not verified")

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

func (f *verifyFlags) verifyOne(cmd *cobra.Command) error {
	a, err := f.sample(cmd)
	if err != nil {
		return err
	}
	if err := knownProvider(f.source, a.source.Provider); err != nil {
		return usageError{err}
	}
	trial, err := ingest.NewTrial(a.source, a.keys(), a.maxBody)
	if err != nil {
		return usageError{err}
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
		err = fmt.Errorf("%w: %s", errNotVerified, v.Reason)
	}
	return err
}
