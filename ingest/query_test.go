package ingest

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"time"

	"jethook/config"
)

// addressed gives a source the address that its sender signs.
func addressed(s config.Source) config.Source {
	s.URL = "https://hooks.example.com/webhooks/" + s.Name
	return s
}

// asked is a request without a body.
func asked(t *testing.T, method, url string, h http.Header) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header = h
	return r
}

func twilioSignature(key, content string) http.Header {
	m := hmac.New(sha1.New, []byte(key))
	m.Write([]byte(content))
	return http.Header{"X-Twilio-Signature": {base64.StdEncoding.EncodeToString(m.Sum(nil))}}
}

// TestSignedGet shows that the parameters of a signed GET are the event.
func TestSignedGet(t *testing.T) {
	t.Parallel()
	rig := newRig(t)
	const token = "0123456789abcdef0123456789abcdef"
	url := serve(t, Options{Sources: []config.Source{addressed(sourceOf("twilio", token)), sourceOf("zendesk", token)}, Publisher: rig.bus})
	ts := time.Now().UTC().Format(time.RFC3339)
	zendesk := http.Header{
		"X-Zendesk-Webhook-Signature-Timestamp": {ts},
		"X-Zendesk-Webhook-Signature":           {base64.StdEncoding.EncodeToString(sha256MAC([]byte(token), ts))},
	}
	stored := uint64(0)
	for _, test := range []struct {
		source, method, query, body, eventType string
		header                                 http.Header
	}{
		{"twilio", "GET", "MessageSid=SM1&MessageStatus=sent", "MessageSid=SM1&MessageStatus=sent", "sent", nil},
		{"twilio", "GET", "MessageSid=SM1&MessageStatus=delivered", "MessageSid=SM1&MessageStatus=delivered", "delivered", nil},
		{"twilio", "GET", "token=mine&CallStatus=ringing&x=" + token, "CallStatus=ringing", "ringing", nil},
		{"zendesk", "GET", "type=ticket.created&id=1", "type=ticket.created&id=1", "ticket.created", zendesk},
		{"zendesk", "DELETE", "type=ticket.created&id=2", "type=ticket.created&id=2", "ticket.created", zendesk},
	} {
		h := test.header
		if h == nil {
			h = twilioSignature(token, "https://hooks.example.com/webhooks/twilio?"+test.query)
		}
		for range 2 { // the second is the same event again
			if resp, body := do(t, asked(t, test.method, url+"/webhooks/"+test.source+"?"+test.query, h.Clone())); resp.StatusCode/100 != 2 {
				t.Fatalf("%s %s: %d %s", test.method, test.query, resp.StatusCode, body)
			}
		}
		stored++
		msg := rig.last(t)
		if rig.stored(t) != stored || string(msg.Data) != test.body || msg.Header.Get("Jethook-Query") != test.body ||
			msg.Header.Get("Jethook-Type") != test.eventType || msg.Header.Get("Content-Type") != "application/x-www-form-urlencoded" {
			t.Errorf("%s %s: %d stored, the last %q %v", test.method, test.query, rig.stored(t), msg.Data, msg.Header)
		}
	}
}

// TestQueryKept shows what of the address is stored with an event, and that it tells events apart that have no id.
func TestQueryKept(t *testing.T) {
	t.Parallel()
	rig := newRig(t)
	const token, next = "a-token-of-the-tests", "the-token-after-it"
	hub := sourceOf("docker-hub", token)
	hub.Secrets = append(hub.Secrets, config.NewSecret(next))
	url := serve(t, Options{Sources: []config.Source{hub, sourceOf("azure-event-grid", token), plain("shop")}, Publisher: rig.bus})
	const body = `{"push_data":{}}`
	stored := uint64(0)
	for _, test := range []struct {
		name, query, kept string
		another           bool
	}{
		{"a token alone", "token=" + token, "", true},
		{"another token is no other event", "token=" + next, "", false},
		{"an environment", "token=" + token + "&env=prod", "env=prod", true},
		{"another one", "env=test&token=" + token, "env=test", true},
		{"the token under other names", "token=" + token + "&a=" + token + "&b=%61-token-of-the-tests&c=1", "c=1", true},
		{"other credentials", "token=" + token + "&api_key=1&apiKey=2&access%5ftoken=3&X-Secret=4&sig=5&code=6&d=1", "d=1", true},
		{"bytes that no header has", "token=" + token + "&e=%20%C3%A9+\u00e9&f", "e=%20%C3%A9+%C3%A9&f", true},
	} {
		if resp, text := do(t, request(t, url+"/webhooks/docker-hub?"+test.query, body, http.Header{})); resp.StatusCode != 200 {
			t.Fatalf("%s: %d %s", test.name, resp.StatusCode, text)
		}
		if test.another {
			stored++
		}
		msg := rig.last(t)
		if got := msg.Header.Get("Jethook-Query"); rig.stored(t) != stored || test.another && got != test.kept || string(msg.Data) != body {
			t.Errorf("%s: %d stored, want %d; query %q, want %q", test.name, rig.stored(t), stored, got, test.kept)
		}
		if all := strings.Join(msg.Header["Jethook-Query"], ""); strings.Contains(all, token) || strings.Contains(all, next) {
			t.Errorf("%s: the token is stored: %q", test.name, all)
		}
	}
	// So it is with a list of events without ids.
	for _, query := range []string{"env=prod", "env=test", "env=prod"} {
		grid := url + "/webhooks/azure-event-grid?token=" + token + "&" + query
		if resp, text := do(t, request(t, grid, `[{"eventType":"a"},{"eventType":"b"}]`, http.Header{})); resp.StatusCode != 200 {
			t.Fatalf("%d %s", resp.StatusCode, text)
		}
	}
	if stored += 4; rig.stored(t) != stored {
		t.Errorf("%d stored, want %d", rig.stored(t), stored)
	}
	// A sender's own header of that name is not taken for it.
	r := signed(t, url+"/webhooks/shop?shop=1", `{"id":"evt_1"}`)
	r.Header.Set("Jethook-Query", "forged=1")
	do(t, r)
	if got := rig.last(t).Header["Jethook-Query"]; len(got) != 1 || got[0] != "shop=1" {
		t.Errorf("query %q of an event with an id", got)
	}
}
