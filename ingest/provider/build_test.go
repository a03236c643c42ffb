package provider

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"jethook/publish/jsontext"
)

func TestBuildCustom(t *testing.T) {
	t.Parallel()
	m := hmac.New(sha1.New, []byte("key"))
	m.Write([]byte(`{"n":7}`))
	signed := &Request{Body: []byte(`{"n":7}`), Header: http.Header{
		"X-Sig": {"sha1=" + base64.StdEncoding.EncodeToString(m.Sum(nil))}, "X-Topic": {"orders/create"},
	}}
	s, faults := Build("hmac", Options{
		Header: "x-sig", Prefix: "sha1=", Algorithm: "SHA1", Encoding: "base64", Type: "header:x-topic", ID: "json:n",
	})
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	if err := bind(t, s, "key").Verify(signed, at); err != nil {
		t.Error(err)
	}
	if gotType, gotID := s.Event(signed); gotType != "orders/create" || gotID != "7" {
		t.Errorf("event %q %q", gotType, gotID)
	}

	s, faults = Build("token", Options{Header: "x-token", Prefix: "Token"})
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	for header, want := range map[string]string{"Token secret": "", "tokensecret": "", "Token": "malformed_header", "secret": "malformed_header", "Token secret2": "bad_signature"} {
		err := bind(t, s, "secret").Verify(&Request{Header: http.Header{"X-Token": {header}}}, at)
		if err == nil && want != "" || err != nil && Reason(err) != want {
			t.Errorf("%q: %v, want %q", header, err, want)
		}
	}
}

// TestBuildBatch: what an operator says of type and id is of each event, and leaves the table alone.
func TestBuildBatch(t *testing.T) {
	t.Parallel()
	s, faults := Build("hubspot", Options{Type: "json:kind", ID: "json:key"})
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	events := (&Receiver{Sender: s}).events(request(`[{"kind":"a","key":"1"},{"kind":"b","key":"2"}]`))
	if len(events) != 2 || events[1].Type != "b" || events[1].ID != "2" {
		t.Errorf("%+v", events)
	}
	whole := (&Receiver{Sender: s}).Whole().events(request(`[{"kind":"a"}]`))
	if len(whole) != 1 || whole[0].Type != "" || whole[0].ID != "" {
		t.Errorf("whole: %+v", whole)
	}
	if row, _ := Lookup("hubspot"); row.Batch.Type.String() != "json:subscriptionType" {
		t.Errorf("the table says %s now", row.Batch.Type)
	}
}

func TestBuildFaults(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		sender string
		o      Options
		want   []string // options at fault
	}{
		{"polaris", Options{Type: "const:x", ID: "header:x-id"}, nil},
		{"polaris", Options{Header: "x", Prefix: "x", Algorithm: "sha1", Encoding: "hex"}, []string{"HEADER", "PREFIX", "ALGORITHM", "ENCODING"}},
		{"hmac", Options{}, []string{"HEADER"}},
		{"hmac", Options{Header: "x sig"}, []string{"HEADER"}},
		{"hmac", Options{Header: "x", Algorithm: "md5", Encoding: "rot13", Type: "type", ID: "const:1"}, []string{"ALGORITHM", "ENCODING", "TYPE", "ID"}},
		{"token", Options{Algorithm: "sha1", Encoding: "hex"}, []string{"HEADER", "ALGORITHM", "ENCODING"}},
		{"hmac", Options{Header: "x", Type: "header:a b", ID: "json:"}, []string{"TYPE", "ID"}},
		{"polariss", Options{}, []string{"PROVIDER"}},
		{"datadog", Options{Header: "X-Ours"}, nil},
		{"datadog", Options{Header: "X Ours", Prefix: "x"}, []string{"HEADER", "PREFIX"}},
	} {
		_, faults := Build(test.sender, test.o)
		var got []string
		for _, f := range faults {
			got = append(got, f.Option)
		}
		slices.Sort(got)
		slices.Sort(test.want)
		if !slices.Equal(got, test.want) {
			t.Errorf("%s %+v: %v, want %v", test.sender, test.o, faults, test.want)
		}
	}
	_, faults := Build("polariss", Options{})
	if msg := faults[0].Error(); !strings.Contains(msg, `"polariss"`) || !strings.Contains(msg, "polar, polaris") {
		t.Errorf("unknown sender: %s", msg)
	}
}

func TestValues(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{"a":{"b":"text"}}`:       "text",
		`{"a":{"b":12.50}}`:        "12.50",
		`{"a":{"b":1e400}}`:        "1e400",
		`{"a":{"b":"\u003e\n"}}`:   ">\n",
		`{"a":{"b":""}}`:           "",
		`{"a":{"b":null}}`:         "",
		`{"a":{"b":true}}`:         "",
		`{"a":{"b":{"c":1}}}`:      "",
		`{"a":{"b":["x"]}}`:        "",
		`[{"a":{"b":"x"}}]`:        "",
		`{"a":{"b":"x"}`:           "",
		`{"a":{"b":"x"}} trailing`: "",
		`a=b`:                      "",
		``:                         "",
	} {
		if got := JSON("a.b").find(&Request{Body: []byte(body)}); got != want {
			t.Errorf("%s: %q, want %q", body, got, want)
		}
	}
	r := &Request{
		Header: http.Header{"X-One": {"1"}, "X-Two": {"1", "2"}, "Content-Type": {"application/x-www-form-urlencoded"}},
		Query:  "q=1&r=1&r=2", Body: []byte("f=1&g=1&g=2&j=%7B%22a%22%3A%22x%22%7D"),
	}
	for s, want := range map[string]string{
		"form:f": "1", "form:g": "", "query:q": "1", "query:r": "", "formjson:j:a": "x", "formjson:f:a": "", "json:f": "",
		"header:x-one": "1", "header:X-Two": "", "header:X-None": "", "const:a:b": "a:b",
		"form:g or header:x-one": "1", "json:f or query:r or const:c": "c", "header:x-two or form:f": "1",
		"const:this or that": "this or that", "const:a or b:c": "a or b:c", "form:g or  const:d": "d",
	} {
		v, err := ParseValue(s)
		if err != nil {
			t.Fatal(err)
		}
		if got := v.find(r); got != want {
			t.Errorf("%s: %q, want %q", s, got, want)
		}
	}
}

// TestDeepJSON would end the process if validation recursed for each level.
func TestDeepJSON(t *testing.T) {
	t.Parallel()
	for _, open := range []string{"[", `{"type":`} {
		r := &Request{Body: []byte(strings.Repeat(open, 8<<20/len(open)))}
		if got := JSON("type").find(r); got != "" {
			t.Errorf("type %q", got)
		}
	}
	wide, _ := json.Marshal(map[string]any{"a": make([][]int, 2*jsontext.MaxDepth), "type": "wide"})
	wide = []byte(strings.ReplaceAll(string(wide), "null", "[]"))
	if got := JSON("type").find(&Request{Body: wide}); got != "wide" {
		t.Errorf("type %q of a wide body", got)
	}
}
