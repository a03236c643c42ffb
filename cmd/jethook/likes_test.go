package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"jethook/cmd/jethook/client"
	"jethook/consume"
	"jethook/consume/attempt"
	"jethook/consume/endpoint"
	"jethook/consume/endpoint/signing"
)

// What is signed as a sender signs is verified by what Jethook knows of that sender from its documentation.
func TestSignatureLikesVerify(t *testing.T) {
	t.Parallel()
	const secret, body, url = "a-secret-of-the-sender-1", `{"type":"a","id":"evt_1"}`, "https://example.com/webhooks/it"
	secretFile, bodyFile := filepath.Join(t.TempDir(), "secret"), filepath.Join(t.TempDir(), "body")
	for path, content := range map[string]string{secretFile: secret, bodyFile: body} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, like := range signing.Likes() {
		e, err := endpoint.New(&endpoint.Spec{
			Name: new("n"), URL: new(url), Events: []string{"events.>"}, Secret: new(secret), Signature: &endpoint.SignatureSpec{Like: like},
		}, endpoint.NewAddressPolicy(nil), time.Now())
		if err != nil {
			t.Fatal(err)
		}
		m, err := attempt.NewClient(attempt.Options{}).Compose(&attempt.Request{
			Endpoint: &e, EventID: "evt_1", EventType: "a", Body: []byte(body), Attempt: 1,
		}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		args := []string{"verify", "--provider", like, "--secret-file", secretFile, "--body-file", bodyFile, "--url", url}
		for name, values := range m.Header {
			if len(values) > 0 {
				args = append(args, "--header", name+": "+values[0])
			}
		}
		if r := jethook(t, args...); !strings.Contains(r.stdout, "verified") || strings.Contains(r.stdout, "verified     no") || r.code != exitOK {
			t.Errorf("%s: %+v", like, r)
		}
	}
}

// The manual names every sender that can be signed like, and every field of a signature.
func TestREADMESignatures(t *testing.T) {
	t.Parallel()
	text := strings.ReplaceAll(consume.Manual, "\n", " ")
	_, rest, found := strings.Cut(text, "`--signature-like` with ")
	list, _, _ := strings.Cut(rest, " signs as that sender does")
	named := strings.Fields(strings.NewReplacer("`", "", ",", "", " or ", " ").Replace(list))
	if !found || !slices.Equal(named, signing.Likes()) {
		t.Errorf("it names %q, want %q", named, signing.Likes())
	}
	table, _, _ := strings.Cut(rest, "`--signature bearer`")
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	client.AddSignatureFlags(flags, "signature", "")
	flags.VisitAll(func(f *pflag.Flag) {
		field, found := strings.CutPrefix(f.Name, "signature-")
		if found && field != "like" && !strings.Contains(table, "`"+field+"`") {
			t.Errorf("it does not speak of %s", field)
		}
	})
}
