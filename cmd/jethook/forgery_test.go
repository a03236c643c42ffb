package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// wholeSecret is a source whose secret has a comma in it.
type wholeSecret struct {
	source, provider, secret string
	key                      string // what the secret stands for
	// parts are what an earlier release took for secrets, and what else one may take for them.
	parts []string
	// sign returns the headers of a request by who has that key.
	sign func(key string) http.Header
}

const forgedBody = `{"type":"thing.happened","RecordType":"Open"}`

func wholeSecrets(t *testing.T) []wholeSecret {
	t.Helper()
	const encoded = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	decoded, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		t.Fatal(err)
	}
	mac := func(key, text string) []byte {
		m := hmac.New(sha256.New, []byte(key))
		m.Write([]byte(text))
		return m.Sum(nil)
	}
	return []wholeSecret{
		{
			"auth", "supabase-auth-hook", "v1,whsec_" + encoded, string(decoded),
			[]string{"\xbf", "v1", "", encoded, "whsec_" + encoded, "v1,whsec_" + encoded},
			func(key string) http.Header {
				now := fmt.Sprint(time.Now().Unix())
				return http.Header{
					"Webhook-Id": {"msg_1"}, "Webhook-Timestamp": {now},
					"Webhook-Signature": {"v1," + base64.StdEncoding.EncodeToString(mac(key, "msg_1."+now+"."+forgedBody))},
				}
			},
		},
		{
			"shown", "gitlab", "abc,defghijk", "abc,defghijk",
			[]string{"abc", "defghijk", "abc,", ","},
			func(key string) http.Header { return http.Header{"X-Gitlab-Token": {key}} },
		},
		{
			"login", "postmark", "user:long,er:secret", "user:long,er:secret",
			[]string{"user:long", "er:secret", "user:", "user:long,er"},
			func(key string) http.Header {
				return http.Header{"Authorization": {"Basic " + base64.StdEncoding.EncodeToString([]byte(key))}}
			},
		},
		{
			"code", "github", "hooks,of our code", "hooks,of our code",
			[]string{"hooks", "of our code", ""},
			func(key string) http.Header {
				return http.Header{"X-Hub-Signature-256": {"sha256=" + hex.EncodeToString(mac(key, forgedBody))}}
			},
		},
	}
}

// TestSecretsAreTakenWhole: the real server takes what the whole secret signs and nothing else, and jethook verify says the
// same of it, wherever it has the secret from.
func TestSecretsAreTakenWhole(t *testing.T) {
	t.Parallel()
	sources := wholeSecrets(t)
	p := newProcess(t)
	names := []string{"acme"}
	for _, s := range sources {
		names = append(names, s.source)
		prefix := "JETHOOK_SOURCE_" + strings.ToUpper(s.source)
		p.env = append(p.env, prefix+"_PROVIDER="+s.provider, prefix+"_SECRET="+s.secret)
	}
	p.env = append(p.env, "JETHOOK_SOURCES="+strings.Join(names, ","))
	p.start(t, "serve")
	for _, s := range sources {
		t.Run(s.source, func(t *testing.T) {
			for _, key := range append(s.parts, s.key) {
				header := s.sign(key)
				taken := p.takes(t, s.source, header)
				if taken != (key == s.key) {
					t.Errorf("what %q signs is taken: %t", key, taken)
				}
				for mode, verified := range s.verify(t, p, header) {
					if verified != taken {
						t.Errorf("what %q signs is taken: %t, and jethook verify with %s says %t", key, taken, mode, verified)
					}
				}
			}
		})
	}
	p.signal(t, os.Interrupt)
	p.cmd.Wait()
	for _, s := range sources {
		for _, secret := range append(s.parts, s.secret) {
			if len(secret) > len("secret") && strings.Contains(p.log.String(), secret) {
				t.Errorf("the log tells %q:\n%s", secret, p.log)
			}
		}
		want := "JETHOOK_SOURCE_" + strings.ToUpper(s.source) + `_SECRET","reason":"it holds a comma`
		if doubted := strings.Contains(p.log.String(), want); doubted != (s.source != "auth") {
			t.Errorf("%s: doubted %t:\n%s", s.source, doubted, p.log)
		}
	}
}

// takes posts a request over HTTP and reports whether it is stored.
func (p *process) takes(t *testing.T, source string, header http.Header) bool {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+p.public+"/webhooks/"+source, strings.NewReader(forgedBody))
	if err != nil {
		t.Fatal(err)
	}
	r.Header = header
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	io.Copy(io.Discard, res.Body)
	if res.StatusCode/100 != 2 && res.StatusCode != http.StatusUnauthorized {
		t.Errorf("answer %s", res.Status)
	}
	return res.StatusCode/100 == 2
}

// verify asks jethook verify in each of the ways that it gets a secret.
func (s *wholeSecret) verify(t *testing.T, p *process, header http.Header) map[string]bool {
	t.Helper()
	first := map[string]string{}
	request := []string{"--body", forgedBody}
	for name, values := range header {
		first[name] = values[0]
		request = append(request, "--header", name+": "+values[0])
	}
	vector, err := json.Marshal([]any{map[string]any{"id": "x", "provider": s.provider, "secret": s.secret, "headers": first, "body": forgedBody}})
	if err != nil {
		t.Fatal(err)
	}
	path := secretFile(t, s.secret)
	verified := map[string]bool{}
	for mode, args := range map[string][]string{
		"--source":        append([]string{"--source", s.source}, request...),
		"--secret":        append([]string{"--provider", s.provider, "--secret", s.secret}, request...),
		"--secret-file":   append([]string{"--provider", s.provider, "--secret-file", path}, request...),
		"--secret-file -": append([]string{"--provider", s.provider, "--secret-file", "-"}, request...),
		"--file":          {"--file", secretFile(t, string(vector))},
	} {
		cmd := exec.Command(binary, append([]string{"verify"}, args...)...)
		cmd.Env, cmd.Stdin = p.env, strings.NewReader(s.secret+"\n")
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		err := cmd.Run()
		if err != nil && cmd.ProcessState.ExitCode() != exitFailure {
			t.Errorf("%s: %v: %s", mode, err, &stderr)
		}
		verified[mode] = err == nil
	}
	return verified
}

// TestVerifyHidesEachOfSeveralSecrets: also where one value holds them.
func TestVerifyHidesEachOfSeveralSecrets(t *testing.T) {
	t.Parallel()
	const one, two = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
	got := jethook(t, "verify", "--provider", "standard-webhooks", "--secret", one+","+two, "--now", "1790000000", "--header", "webhook-timestamp: 1790000000",
		"--header", "webhook-id: "+two, "--header", "webhook-signature: v1,nZTl2zBThZzWc5EdPRITRUq9WfkgA4dzvZvG/RSy7DU=")
	if got.code != exitFailure || strings.Contains(got.stdout+got.stderr, two) || !strings.Contains(got.stdout, "{secret}.1790000000.") {
		t.Errorf("exit %d:\n%s%s", got.code, got.stdout, got.stderr)
	}
}

// TestRotationByNumberedSecrets: each of the numbered secrets verifies, from a variable or a file.
func TestRotationByNumberedSecrets(t *testing.T) {
	t.Parallel()
	p := newProcess(t, "JETHOOK_SOURCE_ACME_SECRET_4=the,fourth,one", "JETHOOK_SOURCE_ACME_SECRET_2_FILE="+secretFile(t, "from,a,file"))
	p.start(t, "serve")
	for key, want := range map[string]int{secret: 202, "the,fourth,one": 202, "from,a,file": 202, "fourth": 401, "from": 401, "from,a,file\n": 401} {
		if status, _ := p.post(t.Context(), http.DefaultClient, "evt_1", key); status != want {
			t.Errorf("%q: answer %d, want %d", key, status, want)
		}
	}
}
