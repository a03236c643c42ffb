package provider

import (
	"bytes"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"time"

	"jethook/publish/jsontext"
)

// Request is what a sender sent, as far as senders' rows look at it. It remembers what was found out about its
// body, so it must not be changed once used, nor be used by two goroutines at once.
type Request struct {
	Method string
	// URL is the public address that the sender was given, empty if unknown. Schemes that sign the address need
	// it; it never comes from the Host header, which anyone can choose.
	URL string
	// Query is the query of the address as it was asked for, encoded. It replaces URL's own.
	Query string
	// Header has its names in canonical form, as net/http gives them.
	Header http.Header
	// Body is the bytes as the sender signed them.
	Body []byte
	// Sent is the body as it came where that was compressed, else nil. Who signed that signed Body too.
	Sent []byte
	// Tolerance is how far the request's time may be off, if not as far as the sender's row says; 0: as the row says.
	Tolerance time.Duration

	json  jsonState
	sum   string
	query url.Values
	form  url.Values
	part  formPart
	kept  string // of Query, once it is known that the request verifies
}

// formPart is the field of a multipart form that was looked up last.
type formPart struct {
	name string
	text []byte
}

// address is the address that the sender asked for: what it was given, with the query it sent.
func (r *Request) address() string {
	if r.Query == "" {
		return r.URL
	}
	base, _, _ := strings.Cut(r.URL, "?")
	return base + "?" + r.Query
}

// path is the address without scheme and host, query included.
func (r *Request) path() string {
	s := r.address()
	if _, rest, found := strings.Cut(s, "://"); found {
		s = rest
	}
	if i := strings.IndexAny(s, "/?"); i >= 0 {
		return s[i:]
	}
	return "/"
}

// jsonState is what is known about whether a body is JSON.
type jsonState uint8

const (
	jsonUnknown jsonState = iota
	jsonValid
	jsonInvalid
)

// validJSON reports whether the body is JSON, which must be known before gjson reads from it.
func (r *Request) validJSON() bool {
	if r.json == jsonUnknown {
		r.json = jsonInvalid
		if jsontext.Valid(r.text()) {
			r.json = jsonValid
		}
	}
	return r.json == jsonValid
}

// text is the body as JSON: without what may stand before it.
func (r *Request) text() []byte { return jsonOf(r.Body) }

// jsonOf leaves out what some senders put before JSON and that is none: a byte order mark, the mark of a record
// (RFC 7464), white space of other kinds, and what keeps a browser from running it.
func jsonOf(text []byte) []byte {
	const most = 8 // of them: a stranger chooses how many there are
	for range most {
		rest := bytes.TrimLeft(text, " \t\r\n\v\f\x1e")
		for _, prefix := range [...]string{"\xef\xbb\xbf", ")]}',", ")]}'", "while(1);", "for(;;);"} {
			rest = bytes.TrimPrefix(rest, []byte(prefix))
		}
		if len(rest) == len(text) {
			break
		}
		text = rest
	}
	return text
}

// queryValues are the fields of the query, none if it cannot be read.
func (r *Request) queryValues() url.Values {
	if r.query == nil {
		r.query = parseQuery(r.Query)
	}
	return r.query
}

// isForm reports whether the body says that it is a form.
func (r *Request) isForm() bool {
	mediaType, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	return strings.EqualFold(strings.TrimSpace(mediaType), formType)
}

// formValues are the fields of a form, none if the body is none or cannot be read. Of a request without a body they are
// the parameters of its address.
func (r *Request) formValues() url.Values {
	if r.form == nil {
		r.form = url.Values{}
		switch {
		case r.inAddress():
			r.form = r.queryValues()
		case r.isForm() && bytes.Count(r.Body, []byte("&")) < maxFields:
			r.form = parseQuery(view(r.Body))
		}
	}
	return r.form
}

// maxFields bounds the fields of a form: a map of them is made before anything is verified. Senders have some dozens.
const maxFields = 1000

func parseQuery(s string) url.Values {
	values, err := url.ParseQuery(s)
	if err != nil {
		return url.Values{}
	}
	return values
}

// partText is the text of a multipart form's field, nil unless it is there once.
func (r *Request) partText(name string) []byte {
	if r.part.name != name {
		r.part = formPart{name, readPart(r, name)}
	}
	return r.part.text
}

func readPart(r *Request, name string) []byte {
	mediaType, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || !strings.EqualFold(mediaType, "multipart/form-data") || params["boundary"] == "" {
		return nil
	}
	var found []byte
	form := multipart.NewReader(bytes.NewReader(r.Body), params["boundary"])
	for range maxParts {
		p, err := form.NextPart()
		if err == io.EOF {
			return found
		}
		if err != nil {
			return nil
		}
		if p.FormName() != name {
			continue
		}
		text, err := io.ReadAll(p)
		if err != nil || found != nil {
			return nil
		}
		found = text
	}
	return nil
}

// maxParts bounds the parts of a multipart form: reading one costs memory and time, before anything is verified.
const maxParts = 100
