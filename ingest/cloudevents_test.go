package ingest

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"jethook/config"
	"jethook/publish/event"
)

// TestCloudEventsBatch: each event of a batch is a message of its own, whoever sends it.
func TestCloudEventsBatch(t *testing.T) {
	t.Parallel()
	const (
		first  = `{"specversion":"1.0","type":"com.example.created","source":"/a","id":"1","data":{"n":1}}`
		second = `{ "specversion":"1.0","type":"com.example.created","source":"/b","id":"1" }`
		third  = `{"specversion":"1.0","type":"com.example.deleted","source":"/a","id":"2"}`
		batch  = "application/cloudevents-batch+json"
	)
	whole := config.Source{Name: "whole", Provider: "cloudevents", Secrets: secrets("a-token-of-the-tests")}
	split := whole
	split.Name, split.Split = "split", true
	signing := plain("signing")
	signing.Split = true
	rig := newRig(t)
	url := serve(t, Options{Publisher: rig.bus, Sources: []config.Source{whole, split, signing}})
	for name, test := range map[string]struct {
		source, kind, body string
		status             int
		want               []string // subject, content type and body
	}{
		"a batch": {"split", batch, "[" + first + ",\n " + second + "," + third + "]", 202, []string{
			"webhooks.split.com.example.created application/cloudevents+json " + first,
			"webhooks.split.com.example.created application/cloudevents+json " + second,
			"webhooks.split.com.example.deleted application/cloudevents+json " + third,
		}},
		"with a charset, of a sender that signs": {"signing", "Application/CloudEvents-Batch+JSON; charset=utf-8", "[" + first + "," + third + "]", 202, []string{
			"webhooks.signing.com.example.created application/cloudevents+json " + first,
			"webhooks.signing.com.example.deleted application/cloudevents+json " + third,
		}},
		"kept whole":        {"whole", batch, "[" + first + "]", 202, []string{"webhooks.whole.unknown " + batch + " [" + first + "]"}},
		"empty":             {"split", batch, "[]", 202, nil},
		"no list":           {"split", batch, first, 202, []string{"webhooks.split.com.example.created " + batch + " " + first}},
		"a list, no batch":  {"split", "application/json", "[" + first + "]", 202, []string{"webhooks.split.unknown application/json [" + first + "]"}},
		"a structured one":  {"split", "application/cloudevents+json", third, 202, []string{"webhooks.split.com.example.deleted application/cloudevents+json " + third}},
		"a batch, not sent": {"split", batch, "[" + first + "]", 401, nil},
	} {
		t.Run(name, func(t *testing.T) {
			before := rig.stored(t)
			r := signed(t, url+"/webhooks/"+test.source, test.body)
			r.Header.Set("Content-Type", test.kind)
			r.Header.Set("Ce-Custom", "kept")
			if test.status != http.StatusUnauthorized {
				r.Header.Set("Authorization", "Bearer a-token-of-the-tests")
			}
			if resp, body := do(t, r); resp.StatusCode != test.status {
				t.Fatal(resp.Status, body)
			}
			var got, ids []string
			for seq := before + 1; seq <= rig.stored(t); seq++ {
				msg, err := rig.stream.GetMsg(t.Context(), seq)
				if err != nil {
					t.Fatal(err)
				}
				h := msg.Header
				got = append(got, fmt.Sprintf("%s %s %s", msg.Subject, h.Get("Content-Type"), msg.Data))
				ids = append(ids, h.Get(event.HeaderID))
				if h.Get("Ce-Custom") != "kept" {
					t.Errorf("headers %v", h)
				}
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("stored %s\nwant %s", strings.Join(got, "\n"), strings.Join(test.want, "\n"))
			}
			slices.Sort(ids)
			if len(slices.Compact(ids)) != len(test.want) {
				t.Errorf("ids %v", ids)
			}
		})
	}
}
