package admin_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/http/httpguts"

	"jethook/config"
	"jethook/consume/admin"
	"jethook/consume/admin/sources"
)

// fuzzed is an API whose operations are asked with whatever a fuzz target makes up. Requests begin as the first sample
// of an operation, which succeeds.
type fuzzed struct {
	handler http.Handler
	doc     node
	ops     []operationNode
	first   map[string]exchange
}

// newFuzzed is an API with something in every list. What samples make for themselves, such as an endpoint to change,
// no other operation is asked about: an endpoint that was given any URL must not be sent anything.
func newFuzzed(f *testing.F) *fuzzed {
	f.Helper()
	a := start(f, local)
	cfg := config.Default()
	cfg.Sources = []config.Source{{Name: "shop", Provider: "standard-webhooks"}, {Name: "asana", Provider: "asana"}}
	local(cfg)
	z := &fuzzed{doc: a.openapi(), first: make(map[string]exchange)}
	z.handler = admin.New(admin.Options{
		Config: cfg, Bus: a.bus, Registry: a.registry, Token: config.NewSecret(token), Version: "v1.2.3", Log: slog.New(slog.DiscardHandler),
		Senders: map[string]sources.Verification{"shop": {VerifiedBy: "HMAC", CoversBody: true}, "asana": {Learns: true}}, Reverify: verifyRight, Sample: signedSample,
	}).Handler()
	z.ops = operations(z.doc)
	slices.SortFunc(z.ops, func(a, b operationNode) int { return strings.Compare(a.id, b.id) })
	for _, op := range z.ops {
		x := samples[op.id](a)[0]
		if x.path == "" {
			x.path = op.path
		}
		x.path, _, _ = strings.Cut(x.path, "?")
		z.first[op.id] = x
	}
	return z
}

// parameters are the names of an operation's parameters of a kind: query, path or header.
func (op operationNode) parameters(in string) (names []string) {
	all, _ := op.node["parameters"].([]any)
	for _, p := range all {
		if at(p, "in") == in {
			names = append(names, at(p, "name").(string))
		}
	}
	return names
}

// hasBody reports whether the operation takes one.
func (op operationNode) hasBody() bool {
	return at(op.node, "requestBody", "content", "application/json") != nil
}

// choose returns the operations that fit.
func (z *fuzzed) choose(fits func(operationNode) bool) (chosen []operationNode) {
	for _, op := range z.ops {
		if fits(op) {
			chosen = append(chosen, op)
		}
	}
	return chosen
}

// ask makes a request. Whatever it is, its answer is one that the document has, and no fault of this side; a refusal
// names what is wrong.
func (z *fuzzed) ask(t testing.TB, op operationNode, path, body string, header http.Header) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), op.method, "http://jethook"+path, strings.NewReader(body))
	if err != nil {
		t.Skip() // no client could send it
	}
	r.RequestURI = r.URL.RequestURI()
	r.Header.Set("Authorization", "Bearer "+token)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for name, values := range header {
		r.Header[name] = values
	}
	w := httptest.NewRecorder()
	z.handler.ServeHTTP(w, r)
	got := answer{w.Code, w.Header(), w.Body.String()}
	name := fmt.Sprintf("%s %.200q %.300q", op.method, path, body)
	if got.status >= 500 {
		t.Fatalf("%s: %d %s", name, got.status, got.body)
	}
	if got.status == http.StatusUnprocessableEntity && got.code() == "invalid" && (len(got.fields()) == 0 || slices.Contains(got.fields(), "")) && json.Valid([]byte(body)) && strings.HasPrefix(body, "{") {
		t.Errorf("%s: names no field: %s", name, got.body)
	}
	return got
}

// documented checks that the answer is in the document. One to a path that is not the operation's is not.
func (z *fuzzed) documented(t *testing.T, op operationNode, got answer) {
	t.Helper()
	for _, wrong := range undocumented(z.doc, op, got) {
		t.Errorf("%s: %d%s", op.id, got.status, wrong)
	}
}

// strange are values that parameters have in common.
var strange = []string{
	"", " ", "0", "-1", "1", "24h", "-24h", "1e9", "9223372036854775808", "99999999999999999999h", "2026-01-02T15:04:05Z", "0001-01-01T00:00:00Z",
	"9999-12-31T23:59:59.999999999+23:59", "*", ">", "a.*.>", "events.>", "webhooks.shop.>", "$JS.API.>", "a b", "a/b", "..", "%00", "\x00", "\xff\xfe", "é", "ep_1",
	"EVENTS-1", "EVENTS-18446744073709551615", "WEBHOOKS-0", "ep_1.events:1", "rec_x_y", strings.Repeat("x", 5000), strings.Repeat("a.", 2000), "null", "[]",
	`"3-41"`, `W/"1-1"`, "true", "waiting", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "__proto__", "{}", "a,b", "a.b-c",
}

// some returns every tenth value from a place on: a seed for each parameter and value would take all the time.
func some(values []string, from int) (out []string) {
	for i := from % 10; i < len(values); i += 10 {
		out = append(out, values[i])
	}
	return out
}

// FuzzQuery gives any value to each parameter of each list, and of all else that has some.
func FuzzQuery(f *testing.F) {
	z := newFuzzed(f)
	ops := z.choose(func(op operationNode) bool { return len(op.parameters("query")) > 0 })
	for i, op := range ops {
		for k := range op.parameters("query") {
			for _, value := range some(strange, i+k) {
				f.Add(byte(i), byte(k), value, byte(k+1), "24h")
			}
		}
	}
	f.Fuzz(func(t *testing.T, n, param byte, value string, param2 byte, value2 string) {
		op := ops[int(n)%len(ops)]
		names := op.parameters("query")
		q := url.Values{}
		first, second := names[int(param)%len(names)], names[int(param2)%len(names)]
		q.Set(second, value2)
		q.Set(first, value)
		got := z.ask(t, op, z.first[op.id].path+"?"+q.Encode(), "", nil)
		z.documented(t, op, got)
		for _, field := range got.fields() {
			if !slices.Contains(names, field) {
				t.Errorf("%s: %s is none of its parameters: %s", op.id, field, got.body)
			}
		}
	})
}

// FuzzCursor gives each list cursors of every form that they have.
func FuzzCursor(f *testing.F) {
	z := newFuzzed(f)
	ops := z.choose(func(op operationNode) bool { return slices.Contains(op.parameters("query"), "cursor") })
	marks := make([]string, len(ops))
	for i, op := range ops {
		got := z.ask(f, op, z.first[op.id].path+"?limit=1", "", nil)
		var page struct {
			NextCursor string `json:"next_cursor"`
		}
		if err := json.Unmarshal([]byte(got.body), &page); err == nil && page.NextCursor != "" {
			marks[i], _, _ = strings.Cut(page.NextCursor, ".")
			f.Add(byte(i), page.NextCursor, byte(0))
		}
		for form := range byte(4) {
			for _, value := range some(append(slices.Clone(strange), "0,0,0,0,0", "1,1,1,1,1", "zzzzzzzzzzzz,1,1,1,1", "1-2", "-", "2026-01-02T15:04:05Z ep_1", "1", "zzzzzzzzzzzzz"), i+int(form)) {
				f.Add(byte(i), value, form)
			}
		}
	}
	f.Fuzz(func(t *testing.T, n byte, value string, form byte) {
		i := int(n) % len(ops)
		if form%2 == 1 {
			value = base64.RawURLEncoding.EncodeToString([]byte(value))
		}
		if form&2 != 0 {
			value = marks[i] + "." + value
		}
		got := z.ask(t, ops[i], z.first[ops[i].id].path+"?limit=1&cursor="+url.QueryEscape(value), "", nil)
		z.documented(t, ops[i], got)
		if got.status == http.StatusUnprocessableEntity && !slices.Equal(got.fields(), []string{"cursor"}) {
			t.Errorf("%s: %s", ops[i].id, got.body)
		}
	})
}

// FuzzPath asks each operation about any id.
func FuzzPath(f *testing.F) {
	z := newFuzzed(f)
	ops := z.choose(func(op operationNode) bool { return strings.Contains(op.path, "{") })
	for i, op := range ops {
		for _, value := range some(strange, i) {
			f.Add(byte(i), value, "x")
		}
		if op.id != "test-endpoint" {
			f.Add(byte(i), "shop", "1")
		}
	}
	f.Fuzz(func(t *testing.T, n byte, value, value2 string) {
		op := ops[int(n)%len(ops)]
		values := []string{value, value2}
		path := placeholder.ReplaceAllStringFunc(op.path, func(string) string {
			v := values[0]
			values = values[1:]
			return url.PathEscape(v)
		})
		z.ask(t, op, path, z.first[op.id].body, nil)
	})
}

// FuzzHeader gives any value to each header that an operation looks at.
func FuzzHeader(f *testing.F) {
	z := newFuzzed(f)
	ops := z.choose(func(op operationNode) bool { return len(op.parameters("header")) > 0 && op.id != "test-endpoint" })
	for i, op := range ops {
		for k := range op.parameters("header") {
			for _, value := range some(strange, i+k) {
				f.Add(byte(i), byte(k), value)
			}
		}
	}
	f.Fuzz(func(t *testing.T, n, param byte, value string) {
		if !httpguts.ValidHeaderFieldValue(value) {
			t.Skip() // the server refuses it before
		}
		op := ops[int(n)%len(ops)]
		names := op.parameters("header")
		header := http.Header{}
		header.Set(names[int(param)%len(names)], value)
		got := z.ask(t, op, z.first[op.id].path, z.first[op.id].body, header)
		z.documented(t, op, got)
	})
}

// FuzzBody gives any body to each operation that takes one, and any value to each of its fields. What refuses it
// repeats no secret.
func FuzzBody(f *testing.F) {
	z := newFuzzed(f)
	ops := z.choose(func(op operationNode) bool { return op.hasBody() && op.id != "test-endpoint" })
	values := append([]string{
		"null", "[]", "{}", "[null]", `[""]`, `["a","a"]`, "1e999", "-0", "1.5", "true", `"x"`, `{"":""}`, `{"a":{"b":[]}}`, `["events.>"]`, `["events. >"]`, `["default"]`,
		`["1ns","168h"]`, `{"Host":"x"}`, `{"x-a":"1","X-A":"2"}`, `{"scheme":"bearer","header":"Authorization"}`, `"http://[::1]:0/"`, `"javascript:alert(1)"`,
		`"whsec_"`, `"a-secret-that-is-refused-\u0000"`, `"https://user:a-password@example.com"`, strings.Repeat("[", 5000), `"` + strings.Repeat("x", 5000) + `"`,
	}, strange...)
	for i, op := range ops {
		for _, body := range []string{z.first[op.id].body, everything, minimal} {
			f.Add(byte(i), body, "", "")
			for _, value := range some(values, i) {
				f.Add(byte(i), value, "", "")
			}
		}
		for k, field := range append(z.bodyFields(op), "Name", "TIMEOUT", "no_such_field") {
			for _, value := range some(values, i+k) {
				f.Add(byte(i), "", field, value)
			}
		}
	}
	f.Fuzz(func(t *testing.T, n byte, body, field, value string) {
		op := ops[int(n)%len(ops)]
		if field != "" {
			body = withField(z.first[op.id].body, field, value)
		}
		got := z.ask(t, op, z.first[op.id].path, body, nil)
		if len(body) > 0 {
			z.documented(t, op, got)
		}
		var given struct{ Secret, URL string }
		if json.Unmarshal([]byte(body), &given) == nil && got.status >= 400 && len(given.Secret) >= 12 && strings.Count(body, given.Secret) == 1 && strings.Contains(got.body, given.Secret) {
			t.Errorf("%s: the answer repeats the secret: %s", op.id, got.body)
		}
		if got.status >= 400 && strings.Contains(given.URL, "a-password") && strings.Count(body, "a-password") == 1 && strings.Contains(got.body, "a-password") {
			t.Errorf("%s: the answer repeats a password: %s", op.id, got.body)
		}
	})
}

// bodyFields are the fields that an operation's body may have.
func (z *fuzzed) bodyFields(op operationNode) []string {
	schema := at(op.node, "requestBody", "content", "application/json", "schema")
	if ref, ok := at(schema, "$ref").(string); ok {
		schema = at(z.doc, strings.Split(strings.TrimPrefix(ref, "#/"), "/")...)
	}
	properties, _ := at(schema, "properties").(node)
	return slices.Sorted(maps.Keys(properties))
}

// withField returns a body with another value of a field: JSON, or else text.
func withField(body, field, value string) string {
	fields := map[string]json.RawMessage{}
	_ = json.Unmarshal([]byte(body), &fields) // without one the field is alone
	fields[field] = json.RawMessage(value)
	if !json.Valid([]byte(value)) {
		text, _ := json.Marshal(value)
		fields[field] = text
	}
	out, _ := json.Marshal(fields)
	return string(out)
}
