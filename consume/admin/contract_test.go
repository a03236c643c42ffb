package admin_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"

	"jethook/config"
	"jethook/consume/admin"
)

// exchange is a request that is made of an operation, and the status it gets.
type exchange struct {
	path, body string // an empty path is the operation's own
	header     http.Header
	status     int
}

// samples are what TestContract asks of each operation, by its id: first a request that succeeds, then any that
// don't. Wrong tokens, parameters and bodies, and resources that are not there, need no sample: it makes those itself.
var samples = map[string]func(a *api) []exchange{
	"cancel-recovery":         recoverySamples,
	"change-endpoint":         changeSamples,
	"create-endpoint":         createSamples,
	"delete-endpoint":         func(a *api) []exchange { return []exchange{{path: endpointPath(a), status: 204}} },
	"disable-endpoint":        func(a *api) []exchange { return []exchange{{path: endpointPath(a) + "/disable", status: 200}} },
	"enable-endpoint":         func(a *api) []exchange { return []exchange{{path: endpointPath(a) + "/enable", status: 200}} },
	"forget-source-secret":    pairingSamples("/secret", 204),
	"get-delivery":            deliverySamples,
	"get-endpoint":            getEndpointSamples,
	"get-endpoint-secret":     secretSamples,
	"get-event":               eventSamples(""),
	"get-event-body":          eventSamples("/body"),
	"get-recovery":            recoverySamples,
	"get-rejected":            rejectedSamples("/rejected/{id}", 200),
	"get-source-sample":       sourceSamples,
	"get-source-secret":       pairingSamples("/secret", 200),
	"get-status":              statusSamples,
	"list-attempts":           attemptSamples,
	"list-audit":              auditSamples,
	"list-dead":               deadSamples,
	"list-deliveries":         deliveriesSamples,
	"list-endpoints":          endpointsSamples,
	"list-events":             eventsSamples,
	"list-recoveries":         recoveriesSamples,
	"list-rejected":           rejectedSamples("/rejected", 200),
	"list-sources":            sourcesSamples,
	"match-subject":           matchSamples,
	"pair-source":             pairSamples,
	"preview-delivery":        previewSamples,
	"recover-endpoint":        recoverSamples,
	"remove-dead":             removeDeadSamples,
	"remove-dead-letter":      removeDeadLetterSamples,
	"remove-rejected":         rejectedSamples("/rejected/{id}", 204),
	"replay-dead":             replaySamples,
	"resend-event":            resendSamples,
	"retry-delivery":          retrySamples,
	"retry-rejected":          retryRejectedSamples,
	"rotate-endpoint":         rotateSamples,
	"get-endpoint-public-key": publicKeySamples,
	"send-event":              sendSamples,
	"test-endpoint":           trialSamples,
	"verify-audit":            auditSamples,
}

// Every operation answers as the document says, whether it succeeds or not.
func TestContract(t *testing.T) {
	t.Parallel()
	doc := start(t).openapi()
	for _, op := range operations(doc) {
		t.Run(op.id, func(t *testing.T) {
			t.Parallel()
			make, ok := samples[op.id]
			if !ok {
				t.Fatalf("%s %s has no sample: add one for %q to samples", op.method, op.path, op.id)
			}
			a := start(t, local)
			exchanges := make(a)
			if first := exchanges[0].status; first < 200 || first > 299 {
				t.Errorf("the first sample must succeed, not get %d", first)
			}
			for _, x := range slices.Concat(wrongRequests(op, exchanges[0]), exchanges) {
				if x.path == "" {
					x.path = op.path
				}
				if x.header == nil {
					x.header = http.Header{"Authorization": {"Bearer " + token}, "Content-Type": {"application/json"}}
				}
				got := a.send(op.method, x.path, x.body, x.header)
				name := fmt.Sprintf("%s %s %.80s", op.method, x.path, x.body)
				if got.status != x.status {
					t.Errorf("%s: got %d, want %d: %s", name, got.status, x.status, got.body)
				}
				for _, wrong := range undocumented(doc, op, got) {
					t.Errorf("%s: %d%s", name, got.status, wrong)
				}
			}
		})
	}
	for id := range samples {
		if !slices.ContainsFunc(operations(doc), func(op operationNode) bool { return op.id == id }) {
			t.Errorf("there is a sample for %q, which the document does not have", id)
		}
	}
}

// undocumented says what of an answer the document does not say.
func undocumented(doc node, op operationNode, got answer) []string {
	response, ok := at(op.node, "responses", strconv.Itoa(got.status)).(node)
	if !ok {
		return []string{" is not documented"}
	}
	content, _ := response["content"].(node)
	if len(content) == 0 {
		return unless(got.body == "", "has a body, which is not documented: %s", got.body)
	}
	contentType, _, _ := strings.Cut(got.header.Get("Content-Type"), ";")
	schema, ok := at(content, contentType, "schema").(node)
	if !ok {
		return unless(content["*/*"] != nil, "has content type %q, which is not documented", contentType)
	}
	if contentType != "application/json" {
		return nil // bytes
	}
	var v any
	if err := json.Unmarshal([]byte(got.body), &v); err != nil {
		return []string{": " + err.Error()}
	}
	return violations(doc, schema, v)
}

// tooLarge is more than any operation takes.
var tooLarge = `{"x":"` + strings.Repeat("x", 10<<20) + `"}`

var placeholder = regexp.MustCompile(`\{[^}]*\}`)

// wrongRequests are the ways to be wrong that operations share, made of a request that succeeds.
func wrongRequests(op operationNode, right exchange) (all []exchange) {
	path := right.path
	if path == "" {
		path = op.path
	}
	bare, _, _ := strings.Cut(path, "?")
	all = append(all,
		exchange{path: path, body: right.body, header: http.Header{}, status: 401},
		exchange{path: bare + "?no_such_parameter=1", body: right.body, status: 422})
	if missing := placeholder.ReplaceAllString(op.path, "none"); missing != op.path {
		all = append(all, exchange{path: missing, body: right.body, status: 404})
	}
	parameters, _ := op.node["parameters"].([]any)
	for _, p := range parameters {
		if value := wrongValue(at(p, "schema").(node)); at(p, "in") == "query" && value != "" {
			all = append(all, exchange{path: bare + "?" + at(p, "name").(string) + "=" + value, body: right.body, status: 422})
		}
	}
	if at(op.node, "requestBody", "content", "application/json") != nil {
		all = append(all,
			exchange{path: path, body: "{", status: 400},
			exchange{path: path, body: "[]", status: 422},
			exchange{path: path, body: `{"no_such_field":1}`, status: 422},
			exchange{path: path, body: "x", status: 415, header: http.Header{"Authorization": {"Bearer " + token}, "Content-Type": {"text/plain"}}},
			exchange{path: path, body: tooLarge, status: 413})
	}
	return all
}

// wrongValue is a value that a parameter's schema refuses; empty when it takes any text.
func wrongValue(schema node) string {
	switch {
	case schema["type"] == "integer", schema["type"] == "number", schema["type"] == "boolean", schema["enum"] != nil:
		return "no_such_value"
	default:
		return ""
	}
}

// undocumentedRoutes are those that are no operations, and why.
var undocumentedRoutes = map[string]string{
	"/healthz":      "for orchestrators",
	"/readyz":       "for orchestrators",
	"/openapi.json": "the document itself",
	"/docs":         "the document for people",
}

// Every route that is served is in the document.
func TestDocumentListsAllRoutes(t *testing.T) {
	t.Parallel()
	a := start(t)
	doc := a.openapi()
	server := admin.New(admin.Options{Config: config.Default(), Bus: a.bus, Registry: a.registry, Version: "v1.2.3"})
	served := 0
	for _, r := range server.Handler().(*echo.Echo).Routes() {
		path := regexp.MustCompile(`:(\w+)`).ReplaceAllString(r.Path, "{$1}")
		if at(doc, "paths", path, strings.ToLower(r.Method)) != nil {
			served++
		} else if undocumentedRoutes[path] == "" {
			t.Errorf("%s %s is not in the document: register it with huma, or say why not in undocumentedRoutes", r.Method, path)
		}
	}
	if all := len(operations(doc)); served != all {
		t.Errorf("%d of the document's %d operations are served", served, all)
	}
	if at(doc, "openapi") != "3.1.0" || at(doc, "info", "version") != "v1.2.3" || at(doc, "security") == nil ||
		at(doc, "components", "securitySchemes", "token", "scheme") != "bearer" {
		t.Errorf("head of the document: %v %v %v", doc["openapi"], doc["info"], doc["security"])
	}
}
