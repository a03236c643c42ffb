package backup

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"
	"time"
)

// ErrDamaged means that a file is no backup, or not a whole one.
var ErrDamaged = errors.New("not a complete backup")

// format is the version of the file's layout.
const format = 1

// Part is one part of a backup: its bytes, put together.
type Part struct {
	Name    string `json:"name"`
	Entries int    `json:"entries"`
	Bytes   int64  `json:"bytes"`
	SHA256  string `json:"sha256"`
}

// Stream is what a backup says of one stream, beside its messages.
type Stream struct {
	Name     string          `json:"name"`
	Config   json.RawMessage `json:"config"`
	State    json.RawMessage `json:"state"`
	Messages uint64          `json:"messages"`
}

// Manifest says what a backup holds.
type Manifest struct {
	Format  int       `json:"format"`
	Jethook string    `json:"jethook"`
	Server  string    `json:"nats_server"`
	Began   time.Time `json:"began"`
	Ended   time.Time `json:"ended,omitzero"`
	Streams []Stream  `json:"streams,omitempty"`
	Parts   []Part    `json:"parts,omitempty"`

	Ends map[string]uint64 `json:"-"` // of one that was just written: by stream, the last place that it has
}

const (
	infoPart     = "backup.json"
	manifestPart = "manifest.json"
	// entryBytes is how large an entry of the archive is at most.
	entryBytes = 4 << 20
	// smallBytes bounds a part that is read at once.
	smallBytes = 256 << 20
)

// writer writes a backup, part by part.
type writer struct {
	tar   *tar.Writer
	began time.Time
	parts []Part
}

func newWriter(w io.Writer) *writer { return &writer{tar: tar.NewWriter(w), began: time.Now()} }

// partWriter writes one part. Nothing else may be written before it is closed.
type partWriter struct {
	w    *writer
	part Part
	sum  hash.Hash
	buf  bytes.Buffer
}

func (w *writer) begin(name string) *partWriter {
	return &partWriter{w: w, part: Part{Name: name}, sum: sha256.New()}
}

func (p *partWriter) Write(data []byte) (n int, err error) {
	for n < len(data) {
		room := min(entryBytes-p.buf.Len(), len(data)-n)
		p.buf.Write(data[n : n+room])
		n += room
		if p.buf.Len() == entryBytes {
			if err := p.flush(); err != nil {
				return n, err
			}
		}
	}
	return n, nil
}

func (p *partWriter) flush() error {
	p.part.Entries++
	p.part.Bytes += int64(p.buf.Len())
	p.sum.Write(p.buf.Bytes())
	err := p.w.tar.WriteHeader(&tar.Header{
		Name: fmt.Sprintf("%s.%06d", p.part.Name, p.part.Entries), Mode: 0o600, Size: int64(p.buf.Len()), ModTime: p.w.began,
	})
	if err == nil {
		_, err = p.w.tar.Write(p.buf.Bytes())
	}
	p.buf.Reset()
	return err
}

// Close ends the part.
func (p *partWriter) Close() error {
	if err := p.flush(); err != nil {
		return err
	}
	p.part.SHA256 = hex.EncodeToString(p.sum.Sum(nil))
	p.w.parts = append(p.w.parts, p.part)
	return nil
}

// put writes a whole part.
func (w *writer) put(name string, content any) error {
	data, ok := content.([]byte)
	if !ok {
		var err error
		if data, err = json.Marshal(content); err != nil {
			return err
		}
	}
	p := w.begin(name)
	if _, err := p.Write(data); err != nil {
		return err
	}
	return p.Close()
}

// end writes the manifest, which makes the backup whole.
func (w *writer) end(m *Manifest) error {
	m.Parts, m.Ended = w.parts, time.Now().UTC()
	if err := w.put(manifestPart, m); err != nil {
		return err
	}
	return w.tar.Close()
}

// reader reads a backup, part by part, and holds what it reads against the manifest.
type reader struct {
	tar  *tar.Reader
	head *tar.Header // of the entry that is read next; nil: the end
	read []Part
	last *Manifest
}

func newReader(r io.Reader) (*reader, error) {
	b := &reader{tar: tar.NewReader(r)}
	return b, b.advance()
}

func (b *reader) advance() (err error) {
	b.head, err = b.tar.Next()
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return nil
}

// partReader reads one part.
type partReader struct {
	b     *reader
	part  Part
	sum   hash.Hash
	ended bool // what is read next is of another part
}

// next begins the next part; io.EOF: the manifest is read, and all parts are as it says.
func (b *reader) next() (*partReader, error) {
	if b.head == nil {
		return nil, b.whole()
	}
	name, number, ok := cutNumber(b.head.Name)
	if !ok || number != 1 {
		return nil, fmt.Errorf("%w: it has an entry %q out of place", ErrDamaged, b.head.Name)
	}
	return &partReader{b: b, part: Part{Name: name, Entries: 1}, sum: sha256.New()}, nil
}

func cutNumber(entry string) (name string, number int, ok bool) {
	i := strings.LastIndexByte(entry, '.')
	if i < 0 {
		return "", 0, false
	}
	_, err := fmt.Sscanf(entry[i+1:], "%d", &number)
	return entry[:i], number, err == nil
}

func (p *partReader) Read(data []byte) (n int, err error) {
	for !p.ended {
		n, err = p.b.tar.Read(data)
		p.sum.Write(data[:n])
		p.part.Bytes += int64(n)
		if n > 0 || err == nil {
			return n, nil
		}
		if !errors.Is(err, io.EOF) {
			return 0, fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		if err := p.b.advance(); err != nil {
			return 0, err
		}
		if p.b.head != nil {
			name, number, _ := cutNumber(p.b.head.Name)
			p.ended = name != p.part.Name || number != p.part.Entries+1
		} else {
			p.ended = true
		}
		if !p.ended {
			p.part.Entries++
		}
	}
	return 0, io.EOF
}

// end reads what is left of the part.
func (p *partReader) end() error {
	if _, err := io.Copy(io.Discard, p); err != nil {
		return err
	}
	p.part.SHA256 = hex.EncodeToString(p.sum.Sum(nil))
	if p.part.Name != manifestPart {
		p.b.read = append(p.b.read, p.part)
	}
	return nil
}

// into reads a whole part as JSON.
func (p *partReader) into(v any) error {
	data, err := io.ReadAll(io.LimitReader(p, smallBytes))
	if err == nil {
		err = p.end()
	}
	if err == nil {
		if err = json.Unmarshal(data, v); err != nil {
			err = fmt.Errorf("%w: %s: %w", ErrDamaged, p.part.Name, err)
		}
	}
	if m, ok := v.(*Manifest); ok && err == nil && p.part.Name == manifestPart {
		p.b.last = m
	}
	return err
}

// whole returns io.EOF when all parts were as the manifest says.
func (b *reader) whole() error {
	if b.last == nil {
		return fmt.Errorf("%w: it ends early", ErrDamaged)
	}
	if len(b.last.Parts) != len(b.read) {
		return fmt.Errorf("%w: it has %d parts of %d", ErrDamaged, len(b.read), len(b.last.Parts))
	}
	for i, want := range b.last.Parts {
		if b.read[i] != want {
			return fmt.Errorf("%w: %s is not as it was written", ErrDamaged, want.Name)
		}
	}
	return io.EOF
}
