package ingest

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"jethook/config"
)

// TestHubSpotSignsTheDecodedAddress: the characters are those of
// https://developers.hubspot.com/docs/apps/developer-platform/build-apps/authentication/request-validation
func TestHubSpotSignsTheDecodedAddress(t *testing.T) {
	t.Parallel()
	rig := newRig(t)
	const secret, body = "a-client-secret-of-tests", `[{"subscriptionType":"contact.creation","eventId":1}]`
	url := serve(t, Options{Sources: []config.Source{addressed(sourceOf("hubspot", secret))}, Publisher: rig.bus}) + "/webhooks/hubspot"
	for query, signed := range map[string]string{
		"a=b%3Ac%2Fd":                            "a=b:c/d",
		"a=%3A%2F%3F%40%21%24%27%28%29%2A%2C%3B": "a=:/?@!$'()*,;",
		"a=%3a%2f%2A&b=1":                        "a=:/*&b=1",
		"a=%20%26%3D%2B%25%23%C3%A9":             "a=%20%26%3D%2B%25%23%C3%A9",
		"a=%253A":                                "a=%253A",
		"a=%2":                                   "a=%2",
		"a=1":                                    "a=1",
		"a=b%3Ad":                                "a=b%3Ad", // as HubSpot's own library reads it
	} {
		ms := strconv.FormatInt(time.Now().UnixMilli(), 10)
		for content, want := range map[string]int{signed: 200, signed + "x": 401} {
			sum := sha256MAC([]byte(secret), "POSThttps://hooks.example.com/webhooks/hubspot?"+content+body+ms)
			resp, _ := do(t, request(t, url+"?"+query, body, http.Header{
				"X-Hubspot-Request-Timestamp": {ms}, "X-Hubspot-Signature-V3": {base64.StdEncoding.EncodeToString(sum)},
			}))
			if resp.StatusCode != want {
				t.Errorf("%s signed as %s: %d, want %d", query, content, resp.StatusCode, want)
			}
		}
	}
}

// slack posts what the app's secret signs, or without a signature.
func slack(t *testing.T, address, secret string, form url.Values) (*http.Response, string) {
	t.Helper()
	body, h := form.Encode(), http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	if secret != "" {
		ts := strconv.FormatInt(time.Now().Unix(), 10)
		h.Set("X-Slack-Request-Timestamp", ts)
		h.Set("X-Slack-Signature", "v0="+hex.EncodeToString(sha256MAC([]byte(secret), "v0:"+ts+":"+body)))
	}
	return do(t, request(t, address, body, h))
}

// TestSlackAsks sends what Slack sends beside events: https://docs.slack.dev/interactivity/implementing-slash-commands
func TestSlackAsks(t *testing.T) {
	t.Parallel()
	rig := newRig(t)
	const secret = "8f742231b10e8888abcd99yyyzzz85a5"
	address := serve(t, Options{Sources: []config.Source{sourceOf("slack", secret)}, Publisher: rig.bus}) + "/webhooks/slack"
	for name, test := range map[string]struct {
		secret string
		form   url.Values
		status int
		answer string
		stored uint64
	}{
		"a check of the certificate":           {"", url.Values{"ssl_check": {"1"}, "token": {"x"}}, 200, "", 0},
		"a signed check of the certificate":    {secret, url.Values{"ssl_check": {"1"}, "token": {"x"}}, 200, "", 0},
		"a command":                            {secret, url.Values{"command": {"/deploy"}, "text": {"now"}, "ssl_check": {"0"}}, 200, "", 1},
		"an unsigned command":                  {"", url.Values{"command": {"/deploy"}}, 401, "not_verified", 0},
		"options of a menu":                    {secret, url.Values{"payload": {`{"type":"block_suggestion","value":"a"}`}}, 200, `{"options":[]}`, 1},
		"a click":                              {secret, url.Values{"payload": {`{"type":"block_actions"}`}}, 200, "", 1},
		"a command with a check, and unsigned": {"", url.Values{"command": {"/deploy"}, "ssl_check": {"1"}}, 401, "not_verified", 0},
	} {
		before := rig.stored(t)
		resp, answer := slack(t, address, test.secret, test.form)
		if got := rig.stored(t) - before; resp.StatusCode != test.status || got != test.stored {
			t.Errorf("%s: %d and %d stored", name, resp.StatusCode, got)
		}
		if test.status == 200 && answer != test.answer || !strings.Contains(answer, test.answer) {
			t.Errorf("%s: answer %q, want %q", name, answer, test.answer)
		}
	}
	for _, path := range []string{"?ssl_check=1", ""} { // Slack's older commands could be set to GET
		resp, _ := do(t, asked(t, http.MethodGet, address+path, http.Header{}))
		if want := map[bool]int{true: 200, false: 405}[path != ""]; resp.StatusCode != want {
			t.Errorf("GET %s: %d, want %d", path, resp.StatusCode, want)
		}
	}
	// A source without a secret does not start, although there is something to answer without one.
	if problems := Check([]config.Source{{Name: "slack", Provider: "slack"}}); len(problems) == 0 {
		t.Error("slack starts without a secret")
	}
}

// TestDiscordAutocomplete: https://docs.discord.com/developers/interactions/receiving-and-responding#interaction-response-object
func TestDiscordAutocomplete(t *testing.T) {
	t.Parallel()
	rig := newRig(t)
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	address := serve(t, Options{Sources: []config.Source{sourceOf("discord-interactions", hex.EncodeToString(public))}, Publisher: rig.bus}) + "/webhooks/discord-interactions"
	for body, want := range map[string]string{
		`{"type":1,"id":"1"}`: `{"type":1}`,
		`{"type":2,"id":"2"}`: `{"type":5}`,
		`{"type":4,"id":"4"}`: `{"type":8,"data":{"choices":[]}}`,
		`{"type":5,"id":"5"}`: `{"type":5}`,
	} {
		ts := strconv.FormatInt(time.Now().Unix(), 10)
		resp, answer := do(t, request(t, address, body, http.Header{
			"X-Signature-Timestamp": {ts}, "X-Signature-Ed25519": {hex.EncodeToString(ed25519.Sign(private, []byte(ts+body)))},
		}))
		if resp.StatusCode != 200 || answer != want || resp.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: %d %q, want %q", body, resp.StatusCode, answer, want)
		}
	}
	if rig.stored(t) != 3 {
		t.Errorf("%d interactions stored, want 3", rig.stored(t))
	}
}
