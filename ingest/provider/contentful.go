package provider

import (
	"slices"
	"strings"
	"time"
)

// Contentful is how https://www.contentful.com signs: HMAC-SHA256 in hex over the method, the path, chosen headers
// sorted by name, and the body. Source: contentful/node-apps-toolkit, src/requests.
type Contentful struct{ Tolerance time.Duration }

// The headers of Contentful's signatures.
var (
	contentfulSignature = Header("X-Contentful-Signature")
	contentfulNames     = Header("X-Contentful-Signed-Headers")
	contentfulTime      = Header("X-Contentful-Timestamp")
	contentfulTopic     = Header("X-Contentful-Topic")
)

// Credentials implements [Scheme].
func (Contentful) Credentials() []string { return nil }

func (s Contentful) proofHeaders() []string {
	return headersIn(contentfulSignature, contentfulNames, contentfulTime)
}

// CoversBody implements [Scheme].
func (Contentful) CoversBody() bool { return true }

// String implements [Scheme].
func (Contentful) String() string {
	return "HMAC-SHA256, hex in " + contentfulSignature.String() + " over {method}{path}{signed headers}{body}"
}

// Bind implements [Scheme].
func (s Contentful) Bind(b Binding) (Verifier, error) {
	return bindRequest(b, s.scheme)
}

func (s Contentful) tolerance() time.Duration { return s.Tolerance }

func (s Contentful) signedAt(r *Request) (time.Time, bool) { return signedAtBy(r, s.scheme) }

// scheme is the HMAC over the headers that this request lists.
func (s Contentful) scheme(r *Request) (HMAC, error) {
	list, err := contentfulNames.only(r)
	if err != nil {
		return HMAC{}, err
	}
	if r.URL == "" {
		return HMAC{}, ErrNoURL
	}
	names := strings.Split(strings.ToLower(list), ",")
	for i, name := range names {
		names[i] = strings.TrimSpace(name)
	}
	slices.Sort(names)
	// The list and the time are always signed: were they left out, both could be changed.
	if len(names) > maxSignedHeaders || !slices.ContainsFunc(names, named(contentfulNames)) || !slices.ContainsFunc(names, named(contentfulTime)) {
		return HMAC{}, contentfulNames.malformed()
	}
	content := []Value{Method(), Const("\n" + encodePath(r.path()) + "\n")}
	for i, name := range names {
		if !validHeaderName(name) {
			return HMAC{}, contentfulNames.malformed()
		}
		text, err := Header(name).only(r)
		if err != nil {
			return HMAC{}, err
		}
		if i > 0 {
			content = append(content, Const(";"))
		}
		content = append(content, Const(name+":"+strings.TrimSpace(text)))
	}
	return HMAC{Signature: Signature{
		From:      []Value{contentfulSignature},
		Content:   append(content, Const("\n"), Body()),
		Timestamp: Timestamp{From: contentfulTime, Unit: Milliseconds, Tolerance: s.Tolerance},
	}}, nil
}

func named(header Value) func(string) bool {
	return func(name string) bool { return strings.EqualFold(name, header.arg) }
}

// What JavaScript's encodeURIComponent and encodeURI leave as it is, beside letters and digits.
const (
	componentMarks = "-_.!~*'()"
	uriMarks       = componentMarks + ";,/?:@&=+$#"
)

// encodePath escapes the query as a component, and then the whole, so that the query is escaped twice.
func encodePath(path string) string {
	path, query, _ := strings.Cut(path, "?")
	if query == "" {
		return escapeAll(path, uriMarks)
	}
	return escapeAll(path+"?"+escapeAll(query, componentMarks), uriMarks)
}

func escapeAll(s, marks string) string {
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte(marks, c) >= 0 {
			b.WriteByte(c)
		} else {
			b.Write([]byte{'%', digits[c>>4], digits[c&15]})
		}
	}
	return b.String()
}
