package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"jethook/cmd/jethook/verify"
	"jethook/ingest/provider"
)

const vectorsFile = "../../ingest/provider/testdata/vectors.json"

// expectation is what a published sample says must become of it.
type expectation struct {
	verify.Vector
	Valid     bool    `json:"valid"`
	EventType *string `json:"event_type"`
	EventID   *string `json:"event_id"`
	Expect    struct {
		Status  int               `json:"status"`
		Headers map[string]string `json:"headers"`
		Body    *string           `json:"body"`
	} `json:"expect_response"`
}

func readExpectations(t *testing.T) []expectation {
	t.Helper()
	text, err := os.ReadFile(vectorsFile)
	if err != nil {
		t.Fatal(err)
	}
	var list []expectation
	if err := json.Unmarshal(text, &list); err != nil {
		t.Fatal(err)
	}
	if len(list) < 100 {
		t.Fatalf("only %d vectors", len(list))
	}
	for i := range list {
		if list[i].BodyBase64 != nil {
			t.Fatalf("%s: give --body-file its bytes", list[i].ID)
		}
	}
	return list
}

// TestVerifyVectors runs the real command over all samples.
func TestVerifyVectors(t *testing.T) {
	t.Parallel()
	expected := readExpectations(t)
	cmd := exec.Command(binary, "verify", "--file", vectorsFile, "--json")
	out, err := cmd.Output()
	if cmd.ProcessState.ExitCode() != exitFailure {
		t.Fatalf("exit %v with samples that must be refused", err)
	}
	lines := bytes.Split(bytes.TrimSpace(out), []byte("\n"))
	if len(lines) != len(expected) {
		t.Fatalf("%d lines of %d samples", len(lines), len(expected))
	}
	for i, line := range lines {
		var got verify.Result
		decoder := json.NewDecoder(bytes.NewReader(line))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&got); err != nil {
			t.Fatal(err)
		}
		expected[i].compare(t, &got)
	}
}

func (e *expectation) compare(t *testing.T, got *verify.Result) {
	t.Helper()
	if got.ID != e.ID || got.Verified != e.Valid || (got.Reason == "") != e.Valid {
		t.Errorf("%s: got %s verified %t, reason %q", e.ID, got.ID, got.Verified, got.Reason)
	}
	if orDash(got.EventType) != orDash(e.EventType) || orDash(got.EventID) != orDash(e.EventID) {
		t.Errorf("%s: type %s, id %s", e.ID, orDash(got.EventType), orDash(got.EventID))
	}
	if hasSubject := got.Subject != nil; hasSubject != (e.Valid && e.Kind == "event") {
		t.Errorf("%s: subject %s", e.ID, orDash(got.Subject))
	}
	if got.Subject != nil && !strings.HasPrefix(*got.Subject, "webhooks."+e.Preset+".") {
		t.Errorf("%s: subject %s", e.ID, *got.Subject)
	}
	if success := got.Status/100 == 2; success != e.Valid || e.Expect.Status != 0 && got.Status != e.Expect.Status {
		t.Errorf("%s: status %d", e.ID, got.Status)
	}
	if e.Expect.Body != nil && got.ResponseBody != *e.Expect.Body {
		t.Errorf("%s: response %q, want %q", e.ID, got.ResponseBody, *e.Expect.Body)
	}
	if (got.ResponseHeaders != nil) != (e.Kind == "handshake") {
		t.Errorf("%s: response headers %v", e.ID, got.ResponseHeaders)
	}
	for name, want := range e.Expect.Headers {
		if got.ResponseHeaders[name] != want {
			t.Errorf("%s: %s is %q, want %q", e.ID, name, got.ResponseHeaders[name], want)
		}
	}
}

// came is when the sample came: where it does not say, when its sender signed it; zero if that says nothing.
func (e *expectation) came() time.Time {
	if e.Now != nil {
		return time.Unix(*e.Now, 0)
	}
	header := http.Header{}
	for name, values := range e.Headers {
		for _, value := range values {
			header.Add(name, value)
		}
	}
	sender, _ := provider.Lookup(e.Preset)
	signed, _ := sender.SignedAt(&provider.Request{Header: header, Body: []byte(e.Body)})
	return signed
}

// flags are the sample as one request on the command line.
func (e *expectation) flags(t *testing.T, dir string) []string {
	t.Helper()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	args := []string{
		"verify", "--provider", e.Preset, "--method", e.Method, "--body-file", file("body", e.Body),
		"--audience", e.Options.Audience, "--email", e.Options.Email,
		"--jwks", file("jwks", string(e.Options.JWKS)), // none is an empty set: nothing must be fetched
	}
	if e.Secret != "" {
		args = append(args, "--secret", e.Secret)
	}
	if e.URL != "" {
		args = append(args, "--url", e.URL)
	}
	if now := e.came(); !now.IsZero() {
		args = append(args, "--now", fmt.Sprint(now.Unix()))
	}
	i := 0
	for url, cert := range e.Options.Certs {
		i++
		args = append(args, "--cert", url+"="+file(fmt.Sprint("cert", i), cert))
	}
	for name, values := range e.Headers {
		for _, value := range values {
			args = append(args, "--header", name+": "+value)
		}
	}
	return args
}

// TestVerifyLeaksNothing explains every sample, right as it is and with its signatures changed, and finds neither the
// secret nor the signature that would have been right.
func TestVerifyLeaksNothing(t *testing.T) {
	t.Parallel()
	changed := 0
	for _, e := range readExpectations(t) {
		dir := t.TempDir()
		if code := e.explain(t, dir, e.Secret); (code == exitOK) != e.Valid {
			t.Errorf("%s: exit %d", e.ID, code)
		}
		if !e.Valid || e.Kind != "event" {
			continue
		}
		signatures := e.changeSignatures()
		if code := e.explain(t, dir, append(signatures, e.Secret)...); len(signatures) > 0 && code == exitFailure {
			changed++
		}
	}
	if changed < 60 {
		t.Errorf("only %d samples had a signature to change", changed)
	}
}

// signature is what a signature looks like in a header, and no UUID does.
var signature = regexp.MustCompile(`[A-Za-z0-9+/_]{27,}=*`)

// changeSignatures puts others into the headers, and returns those that were there.
func (e *expectation) changeSignatures() (right []string) {
	for name, values := range e.Headers {
		for i, value := range values {
			right = append(right, signature.FindAllString(value, -1)...)
			e.Headers[name][i] = signature.ReplaceAllStringFunc(value, func(s string) string { return strings.Map(nextDigit, s) })
		}
	}
	return right
}

// nextDigit makes another digit or letter of each, in hex and in base64.
func nextDigit(r rune) rune {
	switch {
	case '0' <= r && r <= '9':
		return '0' + (r-'0'+1)%10
	case 'a' <= r && r <= 'f':
		return 'a' + (r-'a'+1)%6
	}
	return r
}

// explain runs the command on the sample as one request, and looks for what must not be in what it prints.
func (e *expectation) explain(t *testing.T, dir string, hidden ...string) (code int) {
	t.Helper()
	for _, form := range [][]string{nil, {"--json"}} {
		got := jethook(t, append(e.flags(t, dir), form...)...)
		code = got.code
		if got.stdout == "" {
			t.Errorf("%s: exit %d: %s", e.ID, code, got.stderr)
		}
		for _, text := range hidden {
			const word = "secret" // which is also a secret of a sample
			if len(text) >= 4 && text != word && strings.Contains(got.stdout+got.stderr, text) {
				t.Errorf("%s: %q is told:\n%s%s", e.ID, text, got.stdout, got.stderr)
			}
		}
	}
	return code
}

func TestVerifyFileRefusals(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{}`:                                  "not a JSON array",
		`[`:                                   "not a JSON array",
		`[{"provider":"github"},{"id":"x"}]`:  "element 1: missing provider or preset",
		`[{"provider":"github","headers":3}]`: "element 0: ",
		`[{"provider":"github","headers":{"X":[1]}}]`:    "element 0: ",
		`[{"provider":"github","body_base64":"*"}]`:      "element 0: body_base64",
		`[{"provider":"github","now":"then"}]`:           "element 0: ",
		`[{"provider":"github"},{"provider":"a"},[1,2]]`: "element 2: ",
	} {
		path := filepath.Join(t.TempDir(), "requests.json")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		got := jethook(t, "verify", "--file", path, "--json")
		if got.code != exitUsage || got.stdout != "" || !strings.Contains(got.stderr, want) {
			t.Errorf("%s: exit %d: %s%s", text, got.code, got.stdout, got.stderr)
		}
	}
}

// TestVerifyHints makes one slip after the other and is told which it was.
func TestVerifyHints(t *testing.T) {
	t.Parallel()
	const body = "{\"type\":\"a\"}"
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(body))
	sum := mac.Sum(nil)
	header := "X-Hub-Signature-256: sha256=" + hex.EncodeToString(sum)
	for _, test := range []struct {
		provider, secret, header, body, want string
	}{
		{"github", secret + "\n", header, body, "It verifies without the whitespace around the secret."},
		{"github", `"` + secret + `"`, header, body, "It verifies without the quotes around the secret."},
		{"github", base64.StdEncoding.EncodeToString([]byte(secret)), header, body, "It verifies when the secret is read as base64."},
		{"github", secret, header, body + "\n", "It verifies without the newline at the end of the body"},
		{"github", secret, header, "{\n  \"type\": \"a\"\n}", "something has reformatted the body"},
		{"github", secret, "X-Hub-Signature-256: sha256=" + base64.StdEncoding.EncodeToString(sum), body, "is in base64, although the provider uses hex"},
		{"github", secret, "X-Hub-Signature-256: " + hex.EncodeToString(sum), body, "is read with the prefix sha256="},
		{"github", secret, "X-Hub-Signature: sha256=" + hex.EncodeToString(sum), body, "It verifies as a request from bitbucket, jira, snyk; is that the provider?"},
		{"airtable", secret, "X-Airtable-Content-MAC: hmac-sha256=" + hex.EncodeToString(sum), body, "It verifies when the secret is used as plain text, not decoded."},
	} {
		got := jethook(t, "verify", "--provider", test.provider, "--secret", test.secret, "--header", test.header, "--body", test.body)
		if got.code != exitFailure || !strings.Contains(got.stdout, test.want) || strings.Contains(got.stdout, secret) {
			t.Errorf("want %q, exit %d:\n%s%s", test.want, got.code, got.stdout, got.stderr)
		}
		got = jethook(t, "verify", "--provider", test.provider, "--secret", "another", "--header", test.header, "--body", test.body+"x")
		if got.code != exitFailure || strings.Contains(got.stdout, "It verifies") {
			t.Errorf("a hint where nothing helps:\n%s%s", got.stdout, got.stderr)
		}
	}
}

// TestListAvailable needs no server.
func TestListAvailable(t *testing.T) {
	t.Parallel()
	var list struct {
		Items []struct {
			Coverage   string
			CoversBody bool   `json:"covers_body"`
			VerifiedBy string `json:"verified_by"`
			Success    int
			Refusal    int
		}
	}
	if err := json.Unmarshal([]byte(ok(t, "source", "ls", "--available", "--json")), &list); err != nil {
		t.Fatal(err)
	}
	if len(list.Items) != len(provider.All()) {
		t.Errorf("%d senders", len(list.Items))
	}
	for _, s := range list.Items {
		if (s.Coverage == "yes") != s.CoversBody || s.VerifiedBy == "" || s.Success/100 != 2 || s.Refusal/100 != 4 {
			t.Errorf("got %+v", s)
		}
	}
	holds(t, ok(t, "source", "ls", "--available"), `NAME TITLE COVERS BODY VERIFIED BY TYPE ID SUCCESS REFUSAL WAIT DOCS NOT COVERED SECRETS IN BODY`,
		`polytomic Polytomic no: token only .*`, `adyen Adyen \(payments\) no: a part only .*`, `github GitHub yes HMAC.* 202 401 10s https://docs\.github\.com.* type, id -`,
		`stripe Stripe yes .* - data\.object\.client_secret`, `figma Figma no: token only .* body, type passcode`,
		`hubspot-v1 .* the hash could be carried on over a longer body, .*`)
}

// TestVerifyHintsOfSources: what is set for the sources of a server is tried too.
func TestVerifyHintsOfSources(t *testing.T) {
	t.Parallel()
	const body, other = `{"type":"a"}`, "the secret of the other source"
	sum := func(key string) []byte {
		mac := hmac.New(sha256.New, []byte(key))
		mac.Write([]byte(body))
		return mac.Sum(nil)
	}
	hexed, based := hex.EncodeToString(sum(secret)), base64.StdEncoding.EncodeToString(sum(secret))
	own := func(extra ...string) []string {
		return append([]string{"JETHOOK_SOURCES=own", "JETHOOK_SOURCE_OWN_PROVIDER=hmac", "JETHOOK_SOURCE_OWN_HEADER=X-Sig", "JETHOOK_SOURCE_OWN_SECRET=" + secret}, extra...)
	}
	for _, test := range []struct {
		env                  []string
		source, header, want string
	}{
		{
			[]string{"JETHOOK_SOURCES=one,two", "JETHOOK_SOURCE_ONE_PROVIDER=github", "JETHOOK_SOURCE_ONE_SECRET=" + secret, "JETHOOK_SOURCE_TWO_PROVIDER=github", "JETHOOK_SOURCE_TWO_SECRET=" + other},
			"one", "X-Hub-Signature-256: sha256=" + hex.EncodeToString(sum(other)), "It verifies with the secret of source two; are the two mixed up?",
		},
		{own(), "own", "X-Sig: sha256= " + hexed, "It verifies when header X-Sig is read without the prefix sha256="},
		{own("JETHOOK_SOURCE_OWN_PREFIX=sig:"), "own", "X-Sig: " + hexed, "It verifies when header X-Sig is read with the prefix sig:"},
		{own(), "own", "X-Sig: " + based, "It verifies when header X-Sig is in base64, although the provider uses hex"},
		{own("JETHOOK_SOURCE_OWN_ENCODING=base64"), "own", "X-Sig: " + hexed, "It verifies when header X-Sig is in hex, although the provider uses base64"},
		{own("JETHOOK_SOURCE_OWN_PREFIX=sha256="), "own", "X-Sig: sha256= " + hexed, "verified     yes"},
		{
			[]string{"JETHOOK_SOURCES=hub", "JETHOOK_SOURCE_HUB_PROVIDER=docker-hub", "JETHOOK_SOURCE_HUB_SECRET=a+token+of+the+tests"},
			"hub", "X-Any: 1", "It verifies when + in the URL is not a space; a token that contains + must be encoded with %2B",
		},
	} {
		cmd := exec.Command(binary, "verify", "--source", test.source, "--header", test.header, "--body", body,
			"--url", "https://hooks.example.com/webhooks/"+test.source+"?token=a+token+of+the+tests")
		cmd.Env = append(os.Environ(), test.env...)
		out, _ := cmd.CombinedOutput() // its exit code is that of a request that does not verify
		if text := string(out); !strings.Contains(text, test.want) || strings.Contains(text, secret) || strings.Contains(text, other) {
			t.Errorf("want %q:\n%s", test.want, text)
		}
	}
}

// TestVerifyHintsOfTime: a time in another unit, or off by what a clock is off.
func TestVerifyHintsOfTime(t *testing.T) {
	t.Parallel()
	const body, now = `{"type":"a"}`, 1_790_000_000
	sign := func(content string) string {
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write([]byte(content))
		return hex.EncodeToString(mac.Sum(nil))
	}
	stripe := func(ts string) string { return "Stripe-Signature: t=" + ts + ",v1=" + sign(ts+"."+body) }
	workos := func(ts string) string { return "WorkOS-Signature: t=" + ts + ", v1=" + sign(ts+"."+body) }
	for _, test := range []struct{ provider, header, want, not string }{
		{"stripe", stripe("1790000000000"), "The timestamp is in milliseconds, but the provider uses seconds.", "lies -"},
		{"workos", workos("1790000000"), "The timestamp is in seconds, but the provider uses milliseconds.", "its own timestamp"},
		{"stripe", stripe("1790000400"), "It verifies at its own timestamp, which is 6m40s ahead of --now.", "milliseconds"},
		{"stripe", stripe("1789999000"), "It verifies at its own timestamp, which is 16m40s behind --now.", "milliseconds"},
		{"stripe", strings.ReplaceAll(stripe("1789999000"), "v1=", "v1=00"), "", "It verifies"},
	} {
		got := jethook(t, "verify", "--provider", test.provider, "--secret", secret, "--header", test.header, "--body", body, "--now", fmt.Sprint(now))
		if got.code != exitFailure || !strings.Contains(got.stdout, test.want) || strings.Contains(got.stdout, test.not) {
			t.Errorf("want %q, exit %d:\n%s%s", test.want, got.code, got.stdout, got.stderr)
		}
	}
}

// TestVerifyNamesTheRule: of a sender that signs in two ways, which one a request is signed in.
func TestVerifyNamesTheRule(t *testing.T) {
	t.Parallel()
	const key = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwC2FVsBQIhrs="
	decoded, err := base64.StdEncoding.DecodeString(key[6:])
	if err != nil {
		t.Fatal(err)
	}
	for want, key := range map[string][]byte{"signed with  the text of the secret": []byte(key), "signed with  what the base64 after whsec_ stands for": decoded} {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte("msg_1.1790000000.{}"))
		out := ok(t, "verify", "--provider", "polar", "--secret", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwC2FVsBQIhrs=", "--now", "1790000000", "--body", "{}",
			"--header", "webhook-id: msg_1", "--header", "webhook-timestamp: 1790000000", "--header", "webhook-signature: v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
		if !strings.Contains(out, want) {
			t.Errorf("want %q:\n%s", want, out)
		}
	}
}

// TestVerifyAdyenItem: one item that is not Adyen's refuses all, and is named.
func TestVerifyAdyenItem(t *testing.T) {
	t.Parallel()
	const key = "DFB1EB5485895CFA84146406857104ABB4CBCABDC8AAF103A624C8F6A3EAAB00"
	raw, err := hex.DecodeString(key)
	if err != nil {
		t.Fatal(err)
	}
	item := func(reference string, key []byte) string {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(reference + ":::::::"))
		return fmt.Sprintf(`{"NotificationRequestItem":{"pspReference":%q,"additionalData":{"hmacSignature":%q}}}`, reference, base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	}
	body := `{"notificationItems":[` + item("A", raw) + "," + item("B", []byte("another")) + "," + item("C", raw) + `]}`
	got := jethook(t, "verify", "--provider", "adyen", "--secret", key, "--body", body)
	for _, want := range []string{"item 2", "no signature matches", "one bad item rejects the whole request"} {
		if got.code != exitFailure || !strings.Contains(got.stdout, want) {
			t.Errorf("want %q, exit %d:\n%s%s", want, got.code, got.stdout, got.stderr)
		}
	}
}

// orDash is what the tables show for a value that may be missing.
func orDash(s *string) string {
	if s == nil {
		return "-"
	}
	return *s
}
