package provider

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// ErrNoSample means that no sample request can be made for a sender: it signs with a key that only it has, or in a way that is
// only read here.
var ErrNoSample = errors.New("no sample request can be signed for this sender")

// SampleRequest returns a request as the sender makes it, signed with the secret at the given time. Its body is small JSON with a
// type and an id where the sender has them. It was verified as a sender's request is, so a source with that secret takes it for
// an event. The error is ErrNoSample, or ErrBadSecret for a secret that the sender could not have.
func (s *Sender) SampleRequest(secret, url, id string, at time.Time) (*Request, error) {
	b := sampleBuilder{r: &Request{Method: http.MethodPost, URL: url, Header: http.Header{"Content-Type": {"application/json"}}}, id: id}
	for _, v := range []Value{s.Type, s.StoredType} {
		b.put(v, "jethook.sample")
	}
	for _, v := range []Value{s.ID, s.StoredID} {
		b.put(v, id)
	}
	if err := b.sign(s.Scheme, secret, at); err != nil {
		return nil, err
	}
	receiver, err := s.Bind(Binding{Secrets: []string{secret}})
	if err != nil {
		return nil, err
	}
	outcome, err := receiver.Receive(b.r, at)
	if err != nil || len(outcome.Events) != 1 {
		return nil, ErrNoSample
	}
	return b.r, nil
}

// sampleBuilder makes a request part by part.
type sampleBuilder struct {
	r  *Request
	id string
	// body is the JSON body, until it is signed.
	body map[string]any
}

// plainPath is a path of gjson that names fields only.
var plainPath = regexp.MustCompile(`^[A-Za-z_][\w-]*(\.[A-Za-z_][\w-]*)*$`)

// put makes the request have text where the value stands. Places that a sample can't fill stay empty: verifying the request
// shows whether one was needed.
func (b *sampleBuilder) put(v Value, text string) {
	switch v.kind {
	case inHeader:
		if b.r.Header.Get(v.arg) == "" {
			b.r.Header.Set(v.arg, text)
		}
	case inJSON:
		if plainPath.MatchString(v.arg) {
			b.putField(strings.Split(v.arg, "."), text)
		}
	case firstOf:
		b.put(v.parts[0], text)
	case joined, apart, onlyWhen:
		for _, part := range v.parts {
			b.put(part, text)
		}
	}
}

func (b *sampleBuilder) putField(path []string, text string) {
	if b.body == nil {
		b.body = make(map[string]any)
	}
	at := b.body
	for _, name := range path[:len(path)-1] {
		next, ok := at[name].(map[string]any)
		if !ok {
			if at[name] != nil { // a text stands there
				return
			}
			next = make(map[string]any)
			at[name] = next
		}
		at = next
	}
	if last := path[len(path)-1]; at[last] == nil {
		at[last] = text
	}
}

// sign adds the body and the proof.
func (b *sampleBuilder) sign(scheme Scheme, secret string, at time.Time) error {
	switch s := scheme.(type) {
	case HMAC:
		return b.signHMAC(&s, secret, at)
	case Token:
		b.putTime(&s.Timestamp, at)
		if s.Each != "" || s.From.kind == firstOf {
			return ErrNoSample
		}
		prefix := s.Prefix
		if prefix != "" && !strings.HasSuffix(prefix, " ") && s.From.arg == authorization {
			prefix += " "
		}
		b.overwrite(s.From, prefix+secret)
		return b.seal()
	case Basic:
		b.overwrite(Header(authorization), "Basic "+base64.StdEncoding.EncodeToString([]byte(secret)))
		return b.seal()
	default:
		return ErrNoSample
	}
}

func (b *sampleBuilder) overwrite(v Value, text string) {
	if v.kind == inHeader {
		b.r.Header.Del(v.arg)
	}
	b.put(v, text)
}

// seal writes the body; nothing may be put into it after that.
func (b *sampleBuilder) seal() error {
	if b.body == nil {
		b.body = map[string]any{"message": "a sample"}
	}
	var err error
	b.r.Body, err = json.Marshal(b.body)
	return err
}

// putTime puts the time where the sender has it, and returns it as it is written.
func (b *sampleBuilder) putTime(t *Timestamp, at time.Time) string {
	text := t.Unit.format(at)
	b.overwrite(t.From, text)
	return text
}

func (b *sampleBuilder) signHMAC(s *HMAC, secret string, at time.Time) error {
	stamp := b.putTime(&s.Timestamp, at)
	for _, part := range s.Content {
		if part.kind == inHeader || part.kind == inJSON || part.kind == firstOf {
			b.put(part, b.id)
		}
	}
	if err := b.seal(); err != nil {
		return err
	}
	keys, err := bindKeys(Binding{Secrets: []string{secret}}, s.Hash, s.Key)
	if err != nil {
		return fmt.Errorf("reading the secret: %w", err)
	}
	m := keys[0].get()
	defer keys[0].put(m)
	if m.buf, err = s.feed(m, m.buf, b.r, stamp, ""); err != nil {
		return ErrNoSample
	}
	b.overwrite(s.From[0], s.Format.write(s.Encoding.encode(m.sum()), stamp))
	if s.From[0].kind != inHeader {
		return ErrNoSample
	}
	return nil
}

// format is the inverse of parse.
func (u Unit) format(at time.Time) string {
	switch u {
	case RFC3339:
		return at.UTC().Format(time.RFC3339)
	case RFC2822:
		return at.UTC().Format(time.RFC1123Z)
	case UTC:
		return at.UTC().Format("2006-01-02T15:04:05")
	case Milliseconds:
		return strconv.FormatInt(at.UnixMilli(), 10)
	default:
		return strconv.FormatInt(at.Unix(), 10)
	}
}

// encode is the inverse of decode.
func (e Encoding) encode(data []byte) string {
	switch e {
	case Base64:
		return base64.StdEncoding.EncodeToString(data)
	case Base64URL:
		return base64.RawURLEncoding.EncodeToString(data)
	default:
		return hex.EncodeToString(data)
	}
}

// write is the inverse of read, for one signature.
func (f Format) write(signature, stamp string) string {
	switch f.kind {
	case versioned:
		return f.prefix + "," + signature
	case pairs:
		text := f.prefix + "=" + signature
		if f.stamp != "" {
			text = f.stamp + "=" + stamp + f.sep[:1] + text
		}
		return text
	case stampFirst:
		return stamp + "," + signature
	default:
		return f.prefix + signature
	}
}
