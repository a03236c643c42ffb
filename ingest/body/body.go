// Package body reads the bodies of requests within limits of size, time and memory: whoever floods one source, or holds
// connections open, takes nothing that others need.
package body

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"sync"
	"time"
)

// Why a body is not taken.
var (
	ErrTooLarge   = errors.New("body too large")
	ErrTooSlow    = errors.New("body arrived too slowly")
	ErrBad        = errors.New("body unreadable")
	ErrOverloaded = errors.New("too many bodies in memory")
)

// Timeout is how long a body may take: the default largest one takes this long at 2.2 Mbit/s.
const Timeout = 30 * time.Second

const (
	// firstBuffer bounds what is reserved before any byte came: a Content-Length is only a claim.
	firstBuffer = 32 << 10
	// growth is by how much a buffer grows that is full: what it leaves behind is a third of it.
	growth = 4
	// gzipMemory is about what decompressing takes beside the result.
	gzipMemory = 48 << 10
	// stretch is how much of a body must come within stretchTime, 131 kbit/s, or the rest of it. Who is slower is holding
	// memory on purpose.
	stretch     = 80 << 10
	stretchTime = 5 * time.Second
	// Small is the largest body that is read of a request which does not verify so far.
	Small = 64 << 10
	// unreadTime is how long a connection waits for the rest of a body that nobody reads, so that it can be used again.
	unreadTime = time.Second
)

// Reader reads one request's body into memory that it reserves as the bytes come.
type Reader struct {
	Memory *Budget // nil: without a bound
	Source string
	From   netip.Prefix // whose share it counts against
	Limit  int64        // bytes, as sent and inflated

	reserved int64
}

// Read returns the body as it was sent. Its errors are ErrTooLarge, ErrTooSlow, ErrBad and ErrOverloaded. What it
// reserved stays so, also after an error, until Release.
func (b *Reader) Read(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if r.ContentLength > b.Limit {
		return nil, ErrTooLarge
	}
	// MaxBytesReader rather than a LimitReader: it closes the connection of who sends more.
	wire := http.MaxBytesReader(w, r.Body, b.Limit)
	if w != nil {
		paced := newPacedReader(wire, w)
		defer paced.done()
		wire = paced
	}
	return b.readAll(wire, r.ContentLength)
}

// Inflate returns what gzip has compressed. Its errors are ErrTooLarge, ErrBad and ErrOverloaded.
func (b *Reader) Inflate(sent []byte) ([]byte, error) {
	if err := b.reserve(gzipMemory); err != nil {
		return nil, err
	}
	inflated := inflaters.Get().(*gzip.Reader)
	defer inflaters.Put(inflated)
	if err := inflated.Reset(bytes.NewReader(sent)); err != nil {
		return nil, readError(err)
	}
	return b.readAll(inflated, -1)
}

// inflaters are for the next compressed body: each is some 40 KiB that would be made anew for a few bytes.
var inflaters = sync.Pool{New: func() any { return new(gzip.Reader) }}

// readAll reads r to its end. Claimed is the length that r is said to have, -1 if it is not.
func (b *Reader) readAll(r io.Reader, claimed int64) ([]byte, error) {
	most := b.Limit
	if claimed >= 0 {
		most = claimed
	}
	// One more byte than expected is where the end, or an excess, is seen without growing.
	most++
	size := min(most, firstBuffer)
	if err := b.reserve(size); err != nil {
		return nil, err
	}
	buf := make([]byte, 0, size)
	for {
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		switch {
		case int64(len(buf)) > b.Limit:
			return nil, ErrTooLarge
		case err == io.EOF:
			return buf, nil
		case err != nil:
			return nil, readError(err)
		case len(buf) == cap(buf):
			size := min(most, growth*int64(cap(buf)))
			if err := b.reserve(size - int64(cap(buf))); err != nil {
				return nil, err
			}
			buf = append(make([]byte, 0, size), buf...)
		}
	}
}

func (b *Reader) reserve(n int64) error {
	if b.Memory == nil {
		return nil
	}
	if !b.Memory.take(b.Source, b.From, n) {
		return ErrOverloaded
	}
	b.reserved += n
	return nil
}

// Release gives back what was reserved.
func (b *Reader) Release() {
	if b.reserved > 0 {
		b.Memory.give(b.Source, b.From, b.reserved)
	}
}

// readError tells why a body could not be read: it is too large, comes too slowly, is broken or was cut off.
func readError(err error) error {
	if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return fmt.Errorf("%w: %w", ErrTooLarge, tooLarge)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("%w: %w", ErrTooSlow, err)
	}
	return fmt.Errorf("%w: %w", ErrBad, err)
}

// pacedReader reads what a connection brings, and fails with os.ErrDeadlineExceeded once that is too slow.
type pacedReader struct {
	io.ReadCloser
	conn *http.ResponseController
	end  time.Time // of the whole body
	due  int       // bytes that must come by the deadline that is set
}

func newPacedReader(wire io.ReadCloser, w http.ResponseWriter) *pacedReader {
	p := &pacedReader{ReadCloser: wire, conn: http.NewResponseController(w), end: time.Now().Add(Timeout)}
	p.extend()
	return p
}

func (p *pacedReader) Read(into []byte) (int, error) {
	n, err := p.ReadCloser.Read(into)
	if p.due -= n; p.due <= 0 && err == nil {
		p.extend()
	}
	return n, err
}

// extend gives the next stretch its time. A writer without a connection, as in tests, takes none.
func (p *pacedReader) extend() {
	p.due = stretch
	deadline := time.Now().Add(stretchTime)
	if deadline.After(p.end) {
		deadline = p.end
	}
	p.conn.SetReadDeadline(deadline)
}

// done leaves the connection, once the body is read, as it would be without a deadline of the body's: its end would look
// as if the sender had hung up.
func (p *pacedReader) done() { p.conn.SetReadDeadline(p.end) }

// LeaveUnread makes the connection ready for an answer although the body has not been read, or not to its end. A small rest
// may still come, and is dropped; otherwise the connection ends with the answer. It is not held for long either way.
func LeaveUnread(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength < 0 || r.ContentLength > Small {
		w.Header().Set("Connection", "close")
	}
	http.NewResponseController(w).SetReadDeadline(time.Now().Add(unreadTime))
}
