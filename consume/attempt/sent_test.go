package attempt

import (
	"encoding/json"
	"strings"
	"testing"

	"jethook/consume/endpoint"
	"jethook/consume/endpoint/signing"
)

// What is kept of a request tells every header that the receiver saw, and no secret.
func TestSentIsWhatWasSent(t *testing.T) {
	t.Parallel()
	const custom = "a-value-that-may-be-a-token"
	tests := map[string]func(*endpoint.Endpoint){
		"standard": func(*endpoint.Endpoint) {},
		"hmac": func(e *endpoint.Endpoint) {
			e.Signature = signing.Signature{Scheme: signing.SchemeHMAC, Header: "X-Notify-Signature"}
		},
		"bearer": func(e *endpoint.Endpoint) {
			e.Signature = signing.Signature{Scheme: signing.SchemeBearer, Header: "X-Time"}
		},
		"own headers": func(e *endpoint.Endpoint) {
			e.Headers = map[string]string{"X-Team": custom, "Authorization": "Bearer " + custom, "User-Agent": custom}
		},
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url, got := recorder(t)
			e := endpointAt(url + "/hook?token=" + custom + "&" + custom)
			change(e)
			r := requestTo(e)
			r.Traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
			res := local(t).Do(t.Context(), r)
			received := <-got
			if res.Verdict != Delivered || res.Sent == nil {
				t.Fatalf("got %+v", res)
			}
			kept, err := json.Marshal(res.Sent)
			if err != nil {
				t.Fatal(err)
			}
			shown := res.Sent.Headers(r.EventID, r.EventType, r.Attempt, res.Started)
			all, err := json.Marshal(shown)
			if err != nil {
				t.Fatal(err)
			}
			signature := received.header.Get(signing.HeaderStandard) + received.header.Get("X-Notify-Signature")
			for _, secret := range []string{custom, testSecret, signature} {
				if secret != "" && strings.Contains(string(kept)+string(all), secret) {
					t.Errorf("%q is in %s %s", secret, kept, all)
				}
			}
			if want := url + "/hook?token=***&***"; res.Sent.URL != want {
				t.Errorf("URL %q, want %q", res.Sent.URL, want)
			}
			// net/http adds these.
			for _, name := range []string{"Accept-Encoding", "Content-Length"} {
				received.header.Del(name)
			}
			for name, values := range received.header {
				if v := shown[name]; v != values[0] && v != Masked {
					t.Errorf("%s: shown %q, sent %q", name, v, values[0])
				}
				delete(shown, name)
			}
			if len(shown) > 0 {
				t.Errorf("shown and not sent: %v", shown)
			}
		})
	}
}

// The path of a chat service's URL is a credential.
func TestChatURLIsNotShown(t *testing.T) {
	t.Parallel()
	url, got := recorder(t)
	e := endpointAt(url + "/services/T0/B0/secret")
	e.Format = endpoint.FormatSlack
	res := local(t).Do(t.Context(), requestTo(e))
	<-got
	if res.Sent == nil || res.Sent.URL != url+"/***" {
		t.Errorf("got %+v", res.Sent)
	}
}

// Where no request was made, none is shown.
func TestNothingSent(t *testing.T) {
	t.Parallel()
	e := endpointAt("https://example.com/")
	e.Secrets = nil
	if res := local(t).Do(t.Context(), requestTo(e)); res.Class != ClassRequest || res.Sent != nil {
		t.Errorf("got %+v", res)
	}
}
