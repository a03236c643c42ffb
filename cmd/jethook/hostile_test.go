package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var hostile = flag.Duration("hostile", 0, "how long TestHostileTraffic lasts; 0: 10s, of which no times are checked: they need a machine of its own")

// What the good sender is promised, whatever the others do.
const (
	hostileClients = 50
	goodPerSecond  = 20
	goodP99        = 250 * time.Millisecond
	mostRSS        = 400_000_000
)

// Fifty clients do all at once what strangers can do, while the sender of another source goes on: it is never refused, it
// is answered in time, and the process stays small.
func TestHostileTraffic(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("other systems have one loopback address, and no /proc")
	}
	lasts := *hostile
	if lasts == 0 {
		t.Parallel()
		lasts = 10 * time.Second
	}
	p := newProcess(t,
		"JETHOOK_SOURCES=acme,signed,sns,adyen,poly,figma,ship,token",
		"JETHOOK_SOURCE_SIGNED_PROVIDER=github", "JETHOOK_SOURCE_SIGNED_SECRET="+secret, "JETHOOK_SOURCE_SIGNED_GZIP=true",
		"JETHOOK_SOURCE_SNS_PROVIDER=aws-sns", "JETHOOK_SOURCE_SNS_SECRET=arn:aws:sns:eu-west-1:123456789012:mine",
		"JETHOOK_SOURCE_ADYEN_SECRET="+strings.Repeat("0123456789abcdef", 4),
		"JETHOOK_SOURCE_POLY_PROVIDER=polytomic", "JETHOOK_SOURCE_POLY_SECRET="+secret,
		"JETHOOK_SOURCE_FIGMA_SECRET="+secret,
		"JETHOOK_SOURCE_SHIP_PROVIDER=shipstation",
		"JETHOOK_SOURCE_TOKEN_PROVIDER=gitlab", "JETHOOK_SOURCE_TOKEN_SECRET="+secret,
		"HTTPS_PROXY=http://127.0.0.1:9", // keys are asked for, and nobody has them
	)
	p.start(t, "serve")

	ctx, cancel := context.WithTimeout(t.Context(), lasts)
	defer cancel()
	var strangers sync.WaitGroup
	var attacks atomic.Int64
	for i := range hostileClients {
		strangers.Go(func() {
			s := newStranger(p.public, fmt.Sprintf("127.0.7.%d", i+1))
			for n := i; ctx.Err() == nil; n++ {
				s.attacks[n%len(s.attacks)](ctx)
				attacks.Add(1)
			}
		})
	}
	good := p.sendSteadily(ctx)
	strangers.Wait()

	slices.Sort(good.took)
	p99, peak := good.took[len(good.took)*99/100], p.peakRSS(t)
	t.Logf("%v: %d attacks; %d requests of the good sender, %v refused, p50 %v, p99 %v, longest %v; RSS at most %d MB",
		lasts, attacks.Load(), len(good.took), good.refused, good.took[len(good.took)/2], p99, good.took[len(good.took)-1], peak/1_000_000)
	if len(good.refused) > 0 || *hostile > 0 && len(good.took) < int(lasts.Seconds()*goodPerSecond)*9/10 {
		t.Errorf("of %d requests are refused: %v", len(good.took), good.refused)
	}
	if peak > mostRSS {
		t.Errorf("RSS was %d MB", peak>>20)
	}
	if *hostile > 0 && p99 > goodP99 {
		t.Errorf("p99 is %v", p99)
	}
	p.await(t, "readyz", http.StatusOK)
}

// steady is what became of the good sender's requests.
type steady struct {
	took    []time.Duration
	refused map[int]int // by status
}

// sendSteadily sends events of acme until ctx ends, whether or not those before are answered.
func (p *process) sendSteadily(ctx context.Context) steady {
	s := steady{refused: map[int]int{}}
	var mu sync.Mutex // guards s
	var all sync.WaitGroup
	client := &http.Client{Timeout: limit, Transport: &http.Transport{MaxIdleConnsPerHost: goodPerSecond}}
	defer client.CloseIdleConnections()
	ticker := time.NewTicker(time.Second / goodPerSecond)
	defer ticker.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			all.Wait()
			return s
		case <-ticker.C:
		}
		all.Go(func() {
			began := time.Now()
			id := fmt.Sprint("good-", n, strings.Repeat("-", 20<<10)) // so that the body has a usual size
			status, _ := p.post(context.WithoutCancel(ctx), client, id, secret)
			mu.Lock()
			defer mu.Unlock()
			s.took = append(s.took, time.Since(began))
			if status != http.StatusAccepted {
				s.refused[status]++
			}
		})
	}
}

// peakRSS is the most memory that the process has had.
func (p *process) peakRSS(t *testing.T) int64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "VmHWM:")
	var kilobytes int64
	if _, err := fmt.Sscan(rest, &kilobytes); err != nil {
		t.Fatal(err)
	}
	return kilobytes << 10
}

// stranger is a client without any secret.
type stranger struct {
	to      string
	dialer  net.Dialer
	client  *http.Client
	attacks []func(context.Context)
}

// stalls is how long a stranger waits on a connection that it holds.
const stalls = 3 * time.Second

func newStranger(to, from string) *stranger {
	s := &stranger{to: to, dialer: net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}}
	s.client = &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DialContext: s.dialer.DialContext}}
	forged := "X-Hub-Signature-256: sha256=" + strings.Repeat("00", 32)
	s.attacks = []func(context.Context){
		s.stall(16, "signed", bomb[:len(bomb)-8], forged, "Content-Encoding: gzip"),
		s.post("sns", brackets),
		s.flood("acme", 200),
		s.stall(16, "poly", bomb[:len(bomb)-8], "Content-Encoding: gzip", "Authorization: Bearer x", "Polytomic-Signature-Timestamp: "+time.Now().UTC().Format(time.RFC3339)),
		s.post("sns", keys),
		s.holdIdle,
		s.post("adyen", brackets),
		s.forgeKeys,
		s.stall(4, "signed", brackets[:1<<20], forged),
		s.post("adyen", keys),
		s.flood("token", 200, "X-Gitlab-Token: x"),
		s.post("figma", brackets),
		s.stall(2, "sns", brackets[:5<<20]),
		s.post("signed", bomb, forged, "Content-Encoding: gzip"),
		s.stall(16, "acme", []byte("{")),
		s.flood("signed", 200, forged, "Content-Encoding: gzip"),
	}
	return s
}

// The bodies of the attacks: nesting, a JSON object with very many names, and little that inflates to much.
var (
	brackets = bytes.Repeat([]byte("["), 8<<20)
	keys     = manyKeys(8 << 20)
	bomb     = inflating(8 << 20)
)

func manyKeys(size int) []byte {
	var b bytes.Buffer
	b.WriteByte('{')
	for i := 0; b.Len() < size-32; i++ {
		fmt.Fprintf(&b, `"%x":1,`, i)
	}
	b.WriteString(`"":1}`)
	return b.Bytes()
}

func inflating(size int) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write(make([]byte, size-1))
	w.Close()
	return b.Bytes()
}

// head is the head of a request.
func (s *stranger) head(source string, length int, headers ...string) string {
	return fmt.Sprintf("POST /webhooks/%s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n%s\r\n", source, length, headerLines(headers))
}

func headerLines(headers []string) string {
	var b strings.Builder
	for _, h := range headers {
		b.WriteString(h + "\r\n")
	}
	return b.String()
}

// stall sends n bodies that are longer, and waits.
func (s *stranger) stall(n int, source string, part []byte, headers ...string) func(context.Context) {
	return func(ctx context.Context) {
		var all sync.WaitGroup
		for range n {
			all.Go(func() {
				conn, err := s.dialer.DialContext(ctx, "tcp", s.to)
				if err != nil {
					return
				}
				defer conn.Close()
				conn.SetDeadline(time.Now().Add(2 * stalls))
				io.WriteString(conn, s.head(source, len(part)+8, headers...))
				conn.Write(part)
				conn.SetReadDeadline(time.Now().Add(stalls))
				io.Copy(io.Discard, conn)
			})
		}
		all.Wait()
	}
}

// post sends a whole body.
func (s *stranger) post(source string, body []byte, headers ...string) func(context.Context) {
	return func(ctx context.Context) { s.send(ctx, source, body, headers...) }
}

func (s *stranger) send(ctx context.Context, source string, body []byte, headers ...string) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+s.to+"/webhooks/"+source, bytes.NewReader(body))
	if err != nil {
		return
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	if resp, err := s.client.Do(r); err == nil {
		io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
	}
}

// flood sends many small requests, one after the other.
func (s *stranger) flood(source string, n int, headers ...string) func(context.Context) {
	small := inflating(4 << 10)
	return func(ctx context.Context) {
		for range n {
			s.send(ctx, source, small, headers...)
		}
	}
}

// forgeKeys names keys that nobody has.
func (s *stranger) forgeKeys(ctx context.Context) {
	for range 20 {
		s.send(ctx, "ship", []byte("{}"), fmt.Sprintf("X-Shipengine-Rsa-Sha256-Key-Id: %x", rand.Uint64()), "X-Shipengine-Rsa-Sha256-Signature: AAAA",
			"X-Shipengine-Timestamp: "+time.Now().UTC().Format(time.RFC3339))
	}
}

// holdIdle holds connections, half of which have had a request.
func (s *stranger) holdIdle(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, stalls)
	defer cancel()
	for i := range 50 {
		conn, err := s.dialer.DialContext(ctx, "tcp", s.to)
		if err != nil {
			continue
		}
		defer conn.Close()
		if i%2 == 0 {
			io.WriteString(conn, "HEAD /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
		}
	}
	<-ctx.Done()
}
