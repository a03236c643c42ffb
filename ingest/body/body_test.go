package body

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"jethook/ingest/address"
)

// TestMemory shows that a body reserves what it has and not what it claims, and is refused when there is no
// more.
func TestMemory(t *testing.T) {
	t.Parallel()
	const limit = 1 << 20
	read := func(memory int64, claimed int64, body string, encoding string) (int64, error) {
		b := Reader{Memory: NewBudget(limit), Source: "s", Limit: limit}
		b.Memory.total = memory * 15 / 8 // of which one client of one source may hold eight fifteenths
		defer func() {
			b.Release()
			if b.Memory.used != 0 {
				t.Errorf("%d bytes still reserved", b.Memory.used)
			}
		}()
		r := httptest.NewRequest(http.MethodPost, "/", io.NopCloser(strings.NewReader(body)))
		r.ContentLength = claimed
		if encoding != "" {
			r.Header.Set("Content-Encoding", encoding)
		}
		got, err := b.Read(httptest.NewRecorder(), r)
		if err == nil && encoding != "" {
			got, err = b.Inflate(got)
		}
		if err == nil && encoding == "" && !bytes.Equal(got, []byte(body)) {
			t.Errorf("read %d bytes of %d", len(got), len(body))
		}
		return b.reserved, err
	}
	for _, test := range []struct {
		name          string
		claimed       int64
		body, encoded string
		most          int64
	}{
		{"claims much, sends little", limit, "x", "", firstBuffer},
		{"claims what it sends", 1000, strings.Repeat("x", 1000), "", 1001},
		{"claims nothing", -1, "x", "", firstBuffer},
		{"large", 500_000, strings.Repeat("x", 500_000), "", 500_001},
		{"large in chunks", -1, strings.Repeat("x", 500_000), "", 1_000_000},
		{"small gzip of much", -1, zip(strings.Repeat("x", 500_000)), "gzip", 1_000_000 + gzipMemory},
	} {
		got, err := read(limit*2, test.claimed, test.body, test.encoded)
		if err != nil || got > test.most {
			t.Errorf("%s: %d bytes reserved, %v; want at most %d", test.name, got, err, test.most)
		}
	}
	if _, err := read(100_000, 500_000, strings.Repeat("x", 500_000), ""); err != ErrOverloaded {
		t.Errorf("without memory: %v", err)
	}
	if _, err := read(100, -1, "x", ""); err != ErrOverloaded {
		t.Errorf("without memory to begin: %v", err)
	}
	if _, err := read(firstBuffer, -1, zip("x"), "gzip"); err != ErrOverloaded {
		t.Errorf("without memory to decompress: %v", err)
	}
}

func TestBudget(t *testing.T) {
	t.Parallel()
	b := NewBudget(8 << 20)
	fill := func(source, from string) (held int64) {
		for b.take(source, address.Client(netip.MustParseAddr(from)), 1<<20) {
			held++
		}
		return held
	}
	one := fill("a", "192.0.2.1")
	if one < 16 { // a burst of two of the largest from one address
		t.Errorf("one client gets %d MiB of %d", one, b.total>>20)
	}
	if got := fill("a", "192.0.2.2"); got < 4 {
		t.Errorf("a second client of the source gets %d MiB", got)
	}
	if got := fill("b", "192.0.2.1"); got < 8 { // one of the largest
		t.Errorf("a second source gets %d MiB", got)
	}
	if got := fill("c", "2001:db8:0:1::1"); got < 2 {
		t.Errorf("a third source gets %d MiB", got)
	}
	if got := fill("c", "2001:db8:0:1::2"); got != 0 {
		t.Errorf("a second address of one network gets %d MiB", got)
	}
	for range one {
		b.give("a", address.Client(netip.MustParseAddr("192.0.2.1")), 1<<20)
	}
	if got := fill("c", "2001:db8:0:2::1"); got == 0 || b.used > b.total {
		t.Errorf("after some was given back: %d MiB, %d of %d in all", got, b.used, b.total)
	}
}

func zip(s string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write([]byte(s))
	w.Close()
	return b.String()
}
