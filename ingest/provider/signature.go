package provider

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Signature says where a request holds signatures, and what they are made over.
type Signature struct {
	// From is where signatures stand. A header may be repeated, as some senders do while a secret rotates, and
	// several places may hold one each: any may match.
	From     []Value
	Format   Format
	Encoding Encoding
	// Content is what is signed, the parts joined; the body alone if empty.
	Content []Value
	// Or is what may be signed in its place: where a sender's pages and its own software differ. None: nothing.
	Or        []Value
	Timestamp Timestamp
	// Object refuses a body that is no JSON object, where the sender's key signs other things too.
	Object bool
}

// CoversBody is the part of [Scheme] that all signing schemes share. A CRC does not count: a body can be made to have
// any.
func (s Signature) CoversBody() bool {
	for _, part := range s.Content {
		if part.kind == wholeBody || part.kind == bodyOrField {
			return true
		}
	}
	return len(s.Content) == 0
}

// Credentials is the part of [Scheme] that all signing schemes share. A signature is no secret, but for one that leaves
// the body out: who has it can send other bodies while its time lasts.
func (s Signature) Credentials() []string {
	if s.CoversBody() {
		return nil
	}
	return s.fromHeaders()
}

func (s Signature) tolerance() time.Duration { return s.Timestamp.Tolerance }

func (s Signature) signedAt(r *Request) (time.Time, bool) {
	var p presented
	if s.Timestamp.Tolerance == 0 || s.read(r, &p) != nil {
		return time.Time{}, false
	}
	return s.Timestamp.read(r, p.stamp)
}

// fromHeaders are the headers that signatures stand in.
func (s Signature) fromHeaders() []string { return headersIn(s.From...) }

// proofHeaders are those that verifying takes.
func (s Signature) proofHeaders() []string {
	return slices.Concat(s.fromHeaders(), headersIn(s.Content...), s.Timestamp.From.headerNames())
}

// words are "in header:X-Signature over {timestamp}.{body}".
func (s Signature) words() string {
	return s.Encoding.String() + " in " + join(s.From[:1], "") + " over " + s.template()
}

// template is the content as people write it: parts in braces, constants plain.
func (s Signature) template() string {
	if len(s.Content) == 0 {
		return "{body}"
	}
	var b strings.Builder
	for _, part := range s.Content {
		if part.kind == constant {
			b.WriteString(part.arg)
		} else {
			b.WriteString("{" + part.String() + "}")
		}
	}
	return b.String()
}

// open reads the signatures of r and checks its time: all that costs no cryptography.
func (s *Signature) open(r *Request, now time.Time, into *presented) error {
	if err := s.read(r, into); err != nil {
		return err
	}
	if s.Object && !bytes.HasPrefix(bytes.TrimLeft(r.Body, " \t\r\n"), []byte("{")) {
		return fmt.Errorf("no JSON object: %w", ErrMalformedBody)
	}
	return s.Timestamp.check(r, into.stamp, now)
}

func (s *Signature) read(r *Request, into *presented) error {
	found := false
	for i := range s.From {
		v := &s.From[i]
		if v.kind != inHeader {
			if text := v.find(r); text != "" {
				found = true
				s.Format.read(text, into)
			}
			continue
		}
		lines := r.Header[v.arg]
		found = found || len(lines) > 0
		if s.Format.stamp != "" && len(lines) > 1 {
			return fmt.Errorf("%s is repeated: %w", v, ErrMalformedHeader)
		}
		for _, line := range lines {
			if !s.Format.read(line, into) {
				return v.malformed()
			}
		}
	}
	switch {
	case !found:
		return s.From[0].missing()
	case into.n == 0, s.Format.stamp != "" && into.stamp == "":
		return s.From[0].malformed()
	}
	return nil
}

// Signed implements [Verifier].
func (s *Signature) Signed(r *Request) ([]byte, error) {
	var p presented
	if err := s.read(r, &p); err != nil {
		return nil, err
	}
	return s.signed(r, p.stamp)
}

func (s *Signature) signed(r *Request, stamp string) ([]byte, error) {
	var content bytes.Buffer
	_, err := s.feed(&content, nil, r, stamp, "{secret}")
	return content.Bytes(), err
}

// feed writes the content to w. Small parts are gathered in buf, so that a hash is fed twice for most senders
// and the body is never copied. It returns buf for the next time.
func (s *Signature) feed(w io.Writer, buf []byte, r *Request, stamp, secret string) ([]byte, error) {
	buf = buf[:0]
	if len(s.Content) == 0 {
		_, err := w.Write(r.Body)
		return buf, err
	}
	for i := range s.Content {
		switch part := &s.Content[i]; part.kind {
		case constant:
			buf = append(buf, part.arg...)
		case theStamp:
			buf = append(buf, stamp...)
		case theSecret:
			buf = append(buf, secret...)
		case bodyCRC:
			buf = strconv.AppendUint(buf, uint64(crc32.ChecksumIEEE(r.Body)), 10)
		case wholeBody, bodyOrField:
			if part.kind == bodyOrField && r.isForm() {
				buf = append(buf, onlyValue(r.formValues(), part.arg)...)
				continue
			}
			w.Write(buf) // a hash or a buffer: neither fails
			w.Write(r.Body)
			buf = buf[:0]
		default:
			text, err := part.only(r)
			if err != nil {
				return buf, err
			}
			buf = append(buf, text...)
		}
	}
	_, err := w.Write(buf)
	return buf, err
}
