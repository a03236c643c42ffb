package provider

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// asked is a request with that method and query, and headers as NAME: VALUE.
func asked(method, query, body string, headers ...string) *Request {
	r := &Request{Method: method, URL: "https://hooks.example.com/in", Query: query, Header: http.Header{}, Body: []byte(body)}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Add(name, value)
	}
	return r
}

func receiver(t *testing.T, sender string, secrets ...string) *Receiver {
	t.Helper()
	row, found := Lookup(sender)
	if !found {
		t.Fatalf("no sender %q", sender)
	}
	rc, err := row.Bind(Binding{Secrets: secrets})
	if err != nil {
		t.Fatal(err)
	}
	return rc
}

// TestHandshakes are questions beside the vectors' ones.
func TestHandshakes(t *testing.T) {
	t.Parallel()
	const form = "Content-Type: application/x-www-form-urlencoded"
	for name, test := range map[string]struct {
		sender, secret string
		r              *Request
		status         int // 0: refused
		body, learned  string
		want           error
	}{
		"Meta, app secret and token":       {"meta", "app:tok", asked("GET", "hub.mode=subscribe&hub.verify_token=tok&hub.challenge=77", ""), 200, "77", "", nil},
		"Meta, the app's secret as token":  {"meta", "app:tok", asked("GET", "hub.mode=subscribe&hub.verify_token=app&hub.challenge=77", ""), 0, "", "", ErrBadSignature},
		"Meta, another token":              {"meta", "app:tok", asked("GET", "hub.mode=subscribe&hub.verify_token=x&hub.challenge=77", ""), 0, "", "", ErrBadSignature},
		"Meta, two tokens":                 {"meta", "tok", asked("GET", "hub.mode=subscribe&hub.verify_token=tok&hub.verify_token=x&hub.challenge=7", ""), 0, "", "", ErrBadSignature},
		"Meta, no token":                   {"meta", "app:", asked("GET", "hub.mode=subscribe&hub.verify_token=&hub.challenge=77", ""), 0, "", "", ErrBadSignature},
		"Meta, GET and nothing":            {"meta", "tok", asked("GET", "", ""), 0, "", "", ErrMethod},
		"X, an event as token":             {"x-twitter", "s", asked("GET", "crc_token="+url.QueryEscape(`{"for_user_id":"1"}`), ""), 0, "", "", ErrMalformedBody},
		"X without a secret":               {"x-twitter", "", asked("GET", "crc_token=abc", ""), 0, "", "", ErrNoSecret},
		"Braintree, an event as challenge": {"braintree", "pub:priv", asked("GET", "bt_challenge="+url.QueryEscape("PG5vdGlmaWNhdGlvbj4="), ""), 0, "", "", ErrMalformedBody},
		"Asana, the first time":            {"asana", "", asked("POST", "", "{}", "X-Hook-Secret: abcdefgh"), 200, "", "abcdefgh", nil},
		"Asana, too short a secret":        {"asana", "", asked("POST", "", "{}", "X-Hook-Secret: abcdefg"), 0, "", "", ErrMalformedHeader},
		"Asana, the longest secret":        {"asana", "", asked("POST", "", "{}", "X-Hook-Secret: "+strings.Repeat("a", 512)), 200, "", strings.Repeat("a", 512), nil},
		"Asana, too long a secret":         {"asana", "", asked("POST", "", "{}", "X-Hook-Secret: "+strings.Repeat("a", 513)), 0, "", "", ErrMalformedHeader},
		"Notion, too short a secret":       {"notion", "", asked("POST", "", `{"verification_token":"abcdefg"}`), 0, "", "", ErrMalformedBody},
		"Notion, too long a secret":        {"notion", "", asked("POST", "", `{"verification_token":"`+strings.Repeat("a", 513)+`"}`), 0, "", "", ErrMalformedBody},
		"Notion, a secret for terminals":   {"notion", "", asked("POST", "", `{"verification_token":"abcdefgh\u001b[2J"}`), 0, "", "", ErrMalformedBody},
		"Asana, the same again":            {"asana", "abc", asked("POST", "", "{}", "X-Hook-Secret: abc"), 200, "", "", nil},
		"Asana, a stranger's":              {"asana", "abc", asked("POST", "", "{}", "X-Hook-Secret: evil"), 0, "", "", ErrUnexpected},
		"Asana, an event before":           {"asana", "", asked("POST", "", `{"events":[]}`, "X-Hook-Signature: 00"), 0, "", "", ErrNoSecret},
		"Notion, a stranger's":             {"notion", "abc", asked("POST", "", `{"verification_token":"evil"}`), 0, "", "", ErrUnexpected},
		"Notion, the first time":           {"notion", "", asked("POST", "", `{"verification_token":"secret_tok"}`), 200, "", "secret_tok", nil},
		"Okta, quoted":                     {"okta", "", asked("GET", "", "", `X-Okta-Verification-Challenge: a"b`), 200, `{"verification":"a\"b"}`, "", nil},
		"Okta, as it is":                   {"okta", "", asked("GET", "", "", `X-Okta-Verification-Challenge: <é&>`), 200, `{"verification":"<é&>"}`, "", nil},
		"Intercom probed":                  {"intercom", "s", asked("GET", "", ""), 200, "", "", nil},
		"Event Grid without its token":     {"azure-event-grid", "s", asked("POST", "", `[{"data":{"validationCode":"1"}}]`, "Aeg-Event-Type: SubscriptionValidation"), 0, "", "", ErrMissingField},
		"Event Grid by CloudEvents":        {"azure-event-grid", "s", asked("OPTIONS", "", "", "WebHook-Request-Origin: eventgrid.azure.net"), 200, "", "", nil},
		"CloudEvents, no rate":             {"cloudevents", "s", asked("OPTIONS", "", "", "WebHook-Request-Origin: a.example"), 200, "", "", nil},
		"CloudEvents, a strange rate":      {"cloudevents", "s", asked("OPTIONS", "", "", "WebHook-Request-Origin: a.example", "WebHook-Request-Rate: x"), 0, "", "", ErrMalformedHeader},
		"Graph by GET":                     {"microsoft-graph", "s", asked("GET", "validationToken=a", ""), 0, "", "", ErrMethod},
		"Trello probed":                    {"trello", "", asked("HEAD", "", ""), 200, "", "", nil},
		"GitHub probed":                    {"github", "s", asked("HEAD", "", ""), 0, "", "", ErrMethod},
		"WooCommerce with more":            {"woocommerce", "s", asked("POST", "", "webhook_id=1&x=2", form), 0, "", "", ErrMissingHeader},
		"WooCommerce, no number":           {"woocommerce", "s", asked("POST", "", "webhook_id=x", form), 0, "", "", ErrMissingHeader},
		"Slack unsigned":                   {"slack", "s", asked("POST", "", `{"type":"url_verification","challenge":"x"}`), 0, "", "", ErrMissingHeader},
		"Discord unsigned":                 {"discord-interactions", strings.Repeat("ab", 32), asked("POST", "", `{"type":1}`), 0, "", "", ErrMissingHeader},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var secrets []string
			if test.secret != "" {
				secrets = []string{test.secret}
			}
			outcome, err := receiver(t, test.sender, secrets...).Receive(test.r, at)
			if !errors.Is(err, test.want) || outcome.Answer.Status != test.status || outcome.Answer.Body != test.body || outcome.Learned != test.learned {
				t.Errorf("%+v, %v", outcome, err)
			}
			if len(outcome.Events) > 0 || (err == nil) != (outcome.Handshake != "") {
				t.Errorf("no handshake: %+v", outcome)
			}
		})
	}
}

// TestRefusalAnswers: a fault of ours is never a 4xx, after which some senders stop.
func TestRefusalAnswers(t *testing.T) {
	t.Parallel()
	meta := receiver(t, "meta", "app:tok")
	_, handshake := meta.Receive(asked("GET", "hub.mode=subscribe&hub.verify_token=x&hub.challenge=7", ""), at)
	_, event := meta.Receive(asked("POST", "", "{}", "X-Hub-Signature-256: sha256="+strings.Repeat("0", 64)), at)
	_, method := meta.Receive(asked("PUT", "", "{}"), at)
	for want, err := range map[int]error{403: handshake, 401: event, 405: method, 503: fmt.Errorf("wrapped: %w", ErrKeyUnavailable)} {
		if got := meta.Refusal(err); err == nil || got.Status != want {
			t.Errorf("%v: %d, want %d", err, got.Status, want)
		}
	}
	if got := receiver(t, "polar", "s").Refusal(ErrBadSignature); got.Status != 403 {
		t.Errorf("Polar: %d", got.Status)
	}
	if got := meta.Methods(); !slices.Equal(got, []string{"GET", "POST"}) {
		t.Errorf("methods %q", got)
	}
}

// TestSNSConfirmation: the address to ask for is Amazon's, or there is none.
func TestSNSConfirmation(t *testing.T) {
	t.Parallel()
	for _, v := range readVectors(t) {
		if v.ID != "aws-sns-10" {
			continue
		}
		outcome, err := v.receiver(t).Receive(v.request(t), v.now(t))
		if err != nil || !strings.HasPrefix(outcome.Confirm, "https://sns.us-west-2.amazonaws.com/?Action=ConfirmSubscription") {
			t.Errorf("%+v %v", outcome, err)
		}
		return
	}
	t.Fatal("no vector")
}

func TestSNSConfirmationElsewhere(t *testing.T) {
	t.Parallel()
	r := asked("POST", "", `{"Type":"SubscriptionConfirmation","SubscribeURL":"https://sns.evil.example/?Action=ConfirmSubscription"}`)
	if reply, err := confirmSNS(r, nil); reply != nil || !errors.Is(err, ErrMalformedBody) {
		t.Errorf("%+v %v", reply, err)
	}
}

// TestBatches shows how requests of several events come apart.
func TestBatches(t *testing.T) {
	t.Parallel()
	for sender, test := range map[string]struct {
		body string
		want []string // type, id and body of each event; an empty id is any
		list string   // where the list stands, for the test of an empty one
	}{
		"sendgrid":         {`[{"event":"open","sg_event_id":"a"}, {"event":"click","sg_event_id":"b"}]`, []string{`open a {"event":"open","sg_event_id":"a"}`, `click b {"event":"click","sg_event_id":"b"}`}, `[]`},
		"hubspot":          {`[{"subscriptionType":"contact.creation","eventId":1},{"subscriptionType":"contact.deletion","eventId":1}]`, []string{`contact.creation 1 {"subscriptionType":"contact.creation","eventId":1}`, `contact.deletion 1-2 {"subscriptionType":"contact.deletion","eventId":1}`}, `[]`},
		"okta":             {`{"eventId":"r","data":{"events":[{"uuid":"a","eventType":"x.y"},{"uuid":"b","eventType":"z"}]}}`, []string{`x.y a {"uuid":"a","eventType":"x.y"}`, `z b {"uuid":"b","eventType":"z"}`}, `{"data":{"events":[]}}`},
		"azure-event-grid": {`[{"id":"a","eventType":"x"},{"id":"b","type":"y"}]`, []string{`x a {"id":"a","eventType":"x"}`, `y b {"id":"b","type":"y"}`}, `[]`},
		"xero":             {`{"events":[{"eventCategory":"INVOICE","n":1},{"eventCategory":"CONTACT"}],"entropy":"E"}`, []string{`INVOICE  {"eventCategory":"INVOICE","n":1}`, `CONTACT  {"eventCategory":"CONTACT"}`}, `{"events":[],"entropy":"E"}`},
		"gocardless":       {`{"events":[{"id":"EV1","resource_type":"payments"},{"id":"EV2","resource_type":"refunds"}],"meta":{"webhook_id":"r"}}`, []string{`payments EV1 {"id":"EV1","resource_type":"payments"}`, `refunds EV2 {"id":"EV2","resource_type":"refunds"}`}, `{"events":[]}`},
		"line":             {`{"destination":"x","events":[{"type":"message","webhookEventId":"a"},{"type":"follow","webhookEventId":"b"}]}`, []string{`message a {"type":"message","webhookEventId":"a"}`, `follow b {"type":"follow","webhookEventId":"b"}`}, `{"events":[]}`},
		"asana":            {`{"events":[{"action":"changed"},{"action":"changed"}]}`, []string{`changed  {"action":"changed"}`, `changed  {"action":"changed"}`}, `{"events":[]}`},
		"adyen": {
			`{"notificationItems":[{"NotificationRequestItem":{"eventCode":"CAPTURE","pspReference":"p"}},{"NotificationRequestItem":{"eventCode":"REFUND","pspReference":"p"}}]}`,
			[]string{`CAPTURE p-CAPTURE {"NotificationRequestItem":{"eventCode":"CAPTURE","pspReference":"p"}}`, `REFUND p-REFUND {"NotificationRequestItem":{"eventCode":"REFUND","pspReference":"p"}}`},
			"",
		},
		"intuit":          {`[{"type":"qbo.a","id":"a"},{"type":"qbo.b","id":"b"}]`, []string{`qbo.a a {"type":"qbo.a","id":"a"}`, `qbo.b b {"type":"qbo.b","id":"b"}`}, `[]`},
		"microsoft-graph": {`{"value":[{"id":"a","changeType":"created"},{"changeType":"updated"}]}`, []string{`created a {"id":"a","changeType":"created"}`, `updated  {"changeType":"updated"}`}, ""},
		"mandrill":        {"mandrill_events=" + url.QueryEscape(`[{"event":"send","_id":"m","ts":1},{"event":"open","_id":"m","ts":2}]`), []string{`send m-send-1 {"event":"send","_id":"m","ts":1}`, `open m-open-2 {"event":"open","_id":"m","ts":2}`}, "mandrill_events=%5B%5D"},
		"mailjet":         {`[{"event":"open","time":1},{"event":"open","time":2}]`, []string{`open  {"event":"open","time":1}`, `open  {"event":"open","time":2}`}, `[]`},
		"tailscale":       {`[{"type":"nodeCreated","timestamp":"1"},{"type":"nodeCreated","timestamp":"2"}]`, []string{`nodeCreated  {"type":"nodeCreated","timestamp":"1"}`, `nodeCreated  {"type":"nodeCreated","timestamp":"2"}`}, `[]`},
		"unit":            {`{"data":[{"id":"1","type":"a.b"},{"id":"2","type":"a.b"}]}`, []string{`a.b 1 {"id":"1","type":"a.b"}`, `a.b 2 {"id":"2","type":"a.b"}`}, `{"data":[]}`},
		"segment":         {`[{"type":"track","messageId":"a"},{"type":"page","messageId":"b"}]`, []string{`track a {"type":"track","messageId":"a"}`, `page b {"type":"page","messageId":"b"}`}, ""},
	} {
		t.Run(sender, func(t *testing.T) {
			t.Parallel()
			row, _ := Lookup(sender)
			rc := &Receiver{Sender: row}
			request := func(body string) *Request { return formOrJSON(sender, body) }
			events := rc.events(request(test.body))
			var got []string
			ids := map[string]bool{}
			for i, e := range events {
				ids[e.ID] = true
				id := e.ID
				if i < len(test.want) && strings.Contains(test.want[i], "  ") {
					id = ""
				}
				got = append(got, fmt.Sprintf("%s %s %s", e.Type, id, e.Body))
			}
			if !slices.Equal(got, test.want) || len(ids) != len(events) || ids[""] {
				t.Errorf("%q with ids %v, want %q", got, ids, test.want)
			}
			if again := rc.events(request(test.body)); again[1].ID != events[1].ID {
				t.Errorf("ids %q and %q of one event", events[1].ID, again[1].ID)
			}
			whole := rc.Whole().events(request(test.body))
			if len(whole) != 1 || string(whole[0].Body) != test.body || whole[0].Type != events[0].Type {
				t.Errorf("whole: %+v", whole)
			}
			if want := map[string]string{"okta": "r", "gocardless": "r"}[sender]; whole[0].ID != want {
				t.Errorf("id of the whole is %q, want %q", whole[0].ID, want)
			}
			if test.list == "" {
				return
			}
			for _, rc := range []*Receiver{rc, rc.Whole()} {
				if none := rc.events(request(test.list)); len(none) != 0 {
					t.Errorf("an empty list: %+v", none)
				}
			}
		})
	}
}

func formOrJSON(sender, body string) *Request {
	if sender == "mandrill" {
		return formRequest(body)
	}
	return request(body)
}

// TestNoBatch: what is no list is one event, as it came.
func TestNoBatch(t *testing.T) {
	t.Parallel()
	for _, row := range table {
		if row.Batch == nil {
			continue
		}
		for _, body := range []string{``, `{}`, `"text"`, `[`, `{"events":{},"value":7,"data":{}}`, `a=b`} {
			r := formOrJSON(row.Name, body)
			events := (&Receiver{Sender: row}).events(r)
			if len(events) != 1 || string(events[0].Body) != body || events[0].ContentType != r.Header.Get("Content-Type") {
				t.Errorf("%s %s: %+v", row.Name, body, events)
			}
		}
	}
}

func TestIntuitOldForm(t *testing.T) {
	t.Parallel()
	row, _ := Lookup("intuit")
	const item = `{"realmId":"1","dataChangeEvent":{"entities":[{"name":"Customer","id":"1"}]}}`
	events := (&Receiver{Sender: row}).events(request(`{"eventNotifications":[` + item + `]}`))
	if len(events) != 1 || events[0].Type != "Customer" || string(events[0].Body) != item || events[0].ID == "" {
		t.Errorf("%+v", events)
	}
}

// TestXero: https://developer.xero.com/documentation/guides/webhooks/configuring-your-server/#intent-to-receive
func TestXero(t *testing.T) {
	t.Parallel()
	rc := receiver(t, "xero", "key")
	body := `{"events":[],"firstEventSequence":0,"lastEventSequence":0,"entropy":"SOAGAAZUQJ"}`
	r := asked("POST", "", body, "X-Xero-Signature: "+base64.StdEncoding.EncodeToString(sha256MAC([]byte("key"), body)))
	outcome, err := rc.Receive(r, at)
	if err != nil || len(outcome.Events) != 0 || outcome.Answer.Status != 200 || !outcome.Answer.Empty {
		t.Errorf("a good signature: %+v %v", outcome, err)
	}
	r.Header.Set("X-Xero-Signature", base64.StdEncoding.EncodeToString(make([]byte, 32)))
	if _, err := rc.Receive(r, at); !errors.Is(err, ErrBadSignature) || rc.Sender.Refusal.Status != 401 || !rc.Sender.Refusal.Empty {
		t.Errorf("a bad signature: %v %+v", err, rc.Sender.Refusal)
	}
}

// TestSigned explains what is signed, and tells no secret.
func TestSigned(t *testing.T) {
	t.Parallel()
	for _, s := range samples() {
		row, _ := Lookup(s.sender)
		r, rc := s.bound(t)
		content, err := rc.Verifier.Signed(r)
		if err != nil {
			t.Errorf("%s: %v", s.sender, err)
		}
		if strings.Contains(string(content), s.secrets[0]) && s.sender != "aws-sns" && s.sender != "google-pubsub" {
			t.Errorf("%s tells the secret", s.sender)
		}
		if row.Scheme.CoversBody() && len(content) == 0 {
			t.Errorf("%s has nothing to say", s.sender)
		}
	}
	r, rc := sampleFor(t, "stripe").bound(t)
	if got, _ := rc.Verifier.Signed(r); string(got) != "1790000000."+sampleBody {
		t.Errorf("Stripe signs %q", got)
	}
	r, rc = sampleFor(t, "hubspot-v1").bound(t)
	if got, _ := rc.Verifier.Signed(r); !strings.HasPrefix(string(got), "{secret}[") {
		t.Errorf("HubSpot hashes %q", got)
	}
}

func TestBadSecrets(t *testing.T) {
	t.Parallel()
	for sender, bad := range map[string]string{
		"discord-events": "abcd", "standard-webhooks-ed25519": "whpk_AAAA", "sendgrid": hex.EncodeToString([]byte("no key")), "aws-sns": "us-east-1",
		"postmark": "nobody", "adyen": "xyz", "airtable": "!", "braintree": "pubonly", "meta": ":token",
	} {
		row, _ := Lookup(sender)
		_, err := row.Bind(Binding{Secrets: []string{bad}})
		if !errors.Is(err, ErrBadSecret) || strings.Contains(err.Error(), bad) {
			t.Errorf("%s: %v, want a malformed secret, untold", sender, err)
		}
	}
}
