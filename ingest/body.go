package ingest

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"golang.org/x/sync/semaphore"
)

const (
	// firstBuffer bounds what is reserved before any byte came: a Content-Length is only a claim.
	firstBuffer = 32 << 10
	// gzipMemory is about what decompressing takes beside the result.
	gzipMemory = 48 << 10
)

// bodyReader reads one request's body into memory that it reserves as the bytes come.
type bodyReader struct {
	memory *semaphore.Weighted
	limit  int64 // bytes, as sent and decompressed

	reserved int64
}

// read returns the body, decompressed. Its errors are errTooLarge, errBadBody, errEncoding and errOverloaded.
// What it reserved stays so, also after an error, until release.
func (b *bodyReader) read(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	gzipped, err := isGzip(r.Header)
	if err != nil {
		return nil, err
	}
	if r.ContentLength > b.limit {
		return nil, errTooLarge
	}
	// MaxBytesReader rather than a LimitReader: it closes the connection of who sends more.
	wire := http.MaxBytesReader(w, r.Body, b.limit)
	if !gzipped {
		return b.readAll(wire, r.ContentLength)
	}
	if err := b.reserve(gzipMemory); err != nil {
		return nil, err
	}
	inflated, err := gzip.NewReader(wire)
	if err != nil {
		return nil, readError(err)
	}
	return b.readAll(inflated, -1)
}

// readAll reads r to its end. Claimed is the length that r is said to have, -1 if it is not.
func (b *bodyReader) readAll(r io.Reader, claimed int64) ([]byte, error) {
	most := b.limit
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
		case int64(len(buf)) > b.limit:
			return nil, errTooLarge
		case err == io.EOF:
			return buf, nil
		case err != nil:
			return nil, readError(err)
		case len(buf) == cap(buf):
			size := min(most, 2*int64(cap(buf)))
			if err := b.reserve(size - int64(cap(buf))); err != nil {
				return nil, err
			}
			buf = append(make([]byte, 0, size), buf...)
		}
	}
}

func (b *bodyReader) reserve(n int64) error {
	if !b.memory.TryAcquire(n) {
		return errOverloaded
	}
	b.reserved += n
	return nil
}

func (b *bodyReader) release() { b.memory.Release(b.reserved) }

// readError tells a body that is too large from one that is broken or cut off.
func readError(err error) error {
	if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return fmt.Errorf("%w: %w", errTooLarge, tooLarge)
	}
	return fmt.Errorf("%w: %w", errBadBody, err)
}

// isGzip reports whether the body is compressed, and refuses every other encoding: what cannot be undone must
// not be stored as if it were plain.
func isGzip(h http.Header) (bool, error) {
	switch encodings := h["Content-Encoding"]; len(encodings) {
	case 0:
		return false, nil
	case 1:
		switch strings.ToLower(encodings[0]) {
		case "", "identity":
			return false, nil
		case "gzip":
			return true, nil
		}
	}
	return false, errEncoding
}
