package admin_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// docsPage returns the page as it came, and parsed.
func (a *api) docsPage() (answer, *html.Node) {
	a.t.Helper()
	got := a.send("GET", "/docs", "", http.Header{})
	if got.status != http.StatusOK || got.header.Get("Content-Type") != "text/html; charset=UTF-8" {
		a.t.Fatalf("%d %v %.300s", got.status, got.header, got.body)
	}
	root, err := html.Parse(strings.NewReader(got.body))
	if err != nil {
		a.t.Fatal(err)
	}
	return got, root
}

func attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func textOf(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data)
		}
	}
	return b.String()
}

// The page needs no script and nothing of another host, and its policy allows neither.
func TestDocsAreOnePage(t *testing.T) {
	t.Parallel()
	got, root := start(t).docsPage()
	policy := got.header.Get("Content-Security-Policy")
	ids, links := map[string]bool{}, []string{}
	for n := range root.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		ids[attr(n, "id")] = true
		switch {
		case n.Data == "script", n.Data == "link", n.Data == "img", n.Data == "iframe", attr(n, "style") != "", attr(n, "onclick") != "":
			t.Errorf("<%s> is not allowed: %v", n.Data, n.Attr)
		case n.Data == "style":
			sum := sha256.Sum256([]byte(textOf(n)))
			if want := "style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"; !strings.Contains(policy, want) || !strings.HasPrefix(policy, "default-src 'none';") {
				t.Errorf("%s is not in %s", want, policy)
			}
			if strings.Contains(textOf(n), "url(") || strings.Contains(textOf(n), "@import") {
				t.Error("the style loads something")
			}
		case n.Data == "a":
			links = append(links, attr(n, "href"))
		}
	}
	for _, link := range links {
		if id, ok := strings.CutPrefix(link, "#"); (!ok || !ids[id]) && link != "/openapi.json" {
			t.Errorf("link %s leads nowhere", link)
		}
	}
}

// Every operation is shown with its parameters, its fields, its errors and a request that the document allows.
func TestDocsShowTheDocument(t *testing.T) {
	t.Parallel()
	a := start(t)
	_, root := a.docsPage()
	articles := map[string]*html.Node{}
	for n := range root.Descendants() {
		if n.Data == "article" {
			articles[attr(n, "id")] = n
		}
	}
	doc := a.openapi()
	for _, op := range operations(doc) {
		article, ok := articles[op.id]
		if !ok {
			t.Errorf("%s is missing", op.id)
			continue
		}
		text := textOf(article)
		want := []string{op.method, op.path, op.node["summary"].(string), op.node["description"].(string), "curl "}
		parameters, _ := op.node["parameters"].([]any)
		for _, p := range parameters {
			want = append(want, at(p, "name").(string), at(p, "description").(string))
		}
		for status, response := range op.node["responses"].(node) {
			if status != "default" {
				want = append(want, status+" ", at(response, "description").(string))
			}
			if content, _ := at(response, "content").(node); content["application/json"] == nil {
				want = slices.AppendSeq(want, maps.Keys(content))
			}
		}
		body, _ := at(op.node, "requestBody", "content", "application/json", "schema").(node)
		if ref, ok := body["$ref"].(string); ok {
			for field, property := range at(doc, append(strings.Split(strings.TrimPrefix(ref, "#/"), "/"), "properties")...).(node) {
				description, _ := property.(node)["description"].(string)
				want = append(want, field, description)
			}
		}
		for _, w := range want {
			if !strings.Contains(text, w) {
				t.Errorf("%s: %q is not shown", op.id, w)
			}
		}
		if strings.Contains(text, "/{") && !strings.Contains(op.path, "/{") || strings.Contains(text, "<nil>") {
			t.Errorf("%s: %s", op.id, text)
		}
		_, given, hasBody := strings.Cut(text, "-d '")
		if given, _, _ = strings.Cut(given, "'\n"); hasBody != (body != nil) {
			t.Errorf("%s: the example has a body: %v", op.id, hasBody)
		} else if hasBody {
			var v any
			if err := json.Unmarshal([]byte(strings.TrimSpace(given)), &v); err != nil {
				t.Errorf("%s: %v: %s", op.id, err, given)
			}
			for _, wrong := range violations(doc, body, v) {
				t.Errorf("%s: the example body%s", op.id, wrong)
			}
		}
	}
}
