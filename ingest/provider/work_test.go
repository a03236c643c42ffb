package provider

import (
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"
)

// hostileSize is a size at which what grows with the body shows, and all senders are through in seconds.
const hostileSize = 512 << 10

// hostileBodies are what a stranger may send so that reading it costs far more than its bytes.
func hostileBodies() map[string]*Request {
	fill := func(begin, item, end string) string {
		return begin + strings.Repeat(item, (hostileSize-len(begin)-len(end))/len(item)) + end
	}
	var keys strings.Builder
	for i := 0; keys.Len() < hostileSize-64; i++ {
		fmt.Fprintf(&keys, `"%x":0,`, i)
	}
	distinct := keys.String()
	const form = "application/x-www-form-urlencoded"
	bodies := map[string]*Request{}
	add := func(name, contentType, body string) {
		bodies[name] = &Request{Method: "POST", URL: sampleURL, Header: http.Header{"Content-Type": {contentType}}, Body: []byte(body)}
	}
	add("distinct keys", "application/json", "{"+distinct+`"z":0}`)
	add("distinct keys behind the topic", "application/json", `{"TopicArn":"arn:aws:sns:eu-west-1:1:one",`+distinct+`"z":0}`)
	add("distinct keys in an item", "application/json", `{"notificationItems":[{"NotificationRequestItem":{"additionalData":{"hmacSignature":"`+
		strings.Repeat("A", 43)+`="},`+distinct+`"z":0}}]}`)
	add("escaped keys", "application/json", fill("{", `"\u0061":0,`, `"z":0}`))
	add("distinct keys around the items", "application/json", `{"notificationItems":[],`+distinct+`"z":0}`)
	add("items", "application/json", fill(`{"notificationItems":[`, `{},`, `{}]}`))
	add("values", "application/json", fill(`{"value":[`, `{},`, `{}]}`))
	add("a list", "application/json", fill("[", `{},`, "{}]"))
	add("one large element", "application/json", fill(`[{"a":[`, `0, `, "0]}]"))
	add("a long text", "application/json", fill(`{"verification_token":"`, "a", `"}`))
	add("a long signature", "application/json", fill(`{"signature":{"timestamp":"1","token":"t","signature":"`, "a", `"}}`))
	add("brackets", "application/json", fill("", "[", ""))
	add("fields", form, fill("", "a&", "b"))
	add("one long field", form, fill("bt_signature=a&bt_payload=", "a", ""))
	add("parts", `multipart/form-data; boundary="b"`, fill("", "--b\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\n\r\n", "--b--\r\n"))
	add("a long part", `multipart/form-data; boundary="b"`, fill("--b\r\nContent-Disposition: form-data; name=\"json\"\r\n\r\n{\"event\":{\"a\":\"", "a", "\"}}\r\n--b--\r\n"))
	return bodies
}

// TestUnverifiedWorkIsBounded gives every sender the body of a stranger, with headers that look like the sender's: before
// a request has verified it may cost little more than reading and hashing it.
func TestUnverifiedWorkIsBounded(t *testing.T) { // no other test runs meanwhile
	const (
		mostBytes  = 3 * hostileSize * poolLoss // the body once more, decoded, and its growth
		mostAllocs = hostileSize / 8            // none for each few bytes: reading escaped names makes one of each
		mostTime   = 5 * time.Second            // of a slow machine under the race detector
	)
	bodies := hostileBodies()
	for _, s := range samples() {
		genuine, rc := s.bound(t)
		for name, body := range bodies {
			r := *body
			r.Header = genuine.Header.Clone()
			r.Header.Set("Content-Type", body.Header.Get("Content-Type"))
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			began := time.Now()
			if outcome, err := rc.Receive(&r, at); err == nil && len(outcome.Events) > 0 && rc.Sender.Scheme.CoversBody() {
				t.Fatalf("%s takes %s", s.sender, name)
			} else if err == nil {
				continue // a token let it in: what its holder sends is work for its holder
			}
			took := time.Since(began)
			runtime.ReadMemStats(&after)
			bytes, allocs := after.TotalAlloc-before.TotalAlloc, after.Mallocs-before.Mallocs
			if bytes > mostBytes || allocs > mostAllocs || took > mostTime {
				t.Errorf("%s, %s: %d MB in %d allocations, %s", s.sender, name, bytes>>20, allocs, took.Round(time.Millisecond))
			}
		}
	}
}
