// Package attempt makes one attempt at one delivery: it gives the event the form that the endpoint takes, signs
// it, sends it as one HTTP POST to an address that the policy allows, and classifies what came of it.
//
// An attempt never fails with an error: every failure is a [Result], and only the caller decides what follows
// from it. The package keeps nothing between attempts but open connections. It does not schedule, limit,
// log or store.
package attempt

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"sync"
	"time"

	"jethook/consume/endpoint"
)

// Options are what a Client works with. The zero value is usable.
type Options struct {
	AllowedNetworks []netip.Prefix   // networks that are not public and that endpoints may resolve to
	Timeout         time.Duration    // of an attempt to an endpoint without its own; 0: 20 s
	UserAgent       string           // empty: "jethook"
	Now             func() time.Time // the clock; nil: time.Now
	Resolver        *net.Resolver    // nil: the system's
	Proxy           *url.URL         // that connections go through: http, https or socks5; nil: none
}

const (
	defaultTimeout   = 20 * time.Second
	defaultUserAgent = "jethook"
)

// Client makes attempts. It is safe for concurrent use and keeps connections open for the next attempt to the
// same host, so a process needs one.
type Client struct {
	transport *http.Transport // of endpoints that believe whom the system believes, and show no certificate

	identities identities
	resolver   *resolver
	timeout    time.Duration
	userAgent  string
	now        func() time.Time
	buffers    sync.Pool // of *[maxResponse + 1]byte
}

// NewClient returns a client.
func NewClient(o Options) *Client {
	c := &Client{
		transport:  newTransport(endpoint.NewAddressPolicy(o.AllowedNetworks), o.Resolver, o.Proxy),
		resolver:   &resolver{Resolver: cmp.Or(o.Resolver, net.DefaultResolver)},
		identities: identities{all: make(map[[sha256.Size]byte]*identity)},
		timeout:    o.Timeout,
		userAgent:  cmp.Or(o.UserAgent, defaultUserAgent),
		now:        o.Now,
		buffers:    sync.Pool{New: func() any { return new([maxResponse + 1]byte) }},
	}
	if c.timeout <= 0 {
		c.timeout = defaultTimeout
	}
	if c.now == nil {
		c.now = time.Now
	}
	return c
}

// Close closes the connections that no attempt uses.
func (c *Client) Close() {
	c.transport.CloseIdleConnections()
	c.identities.close()
}

// Request is one attempt to be made. Do changes nothing in it, but may still read Body for a moment after it
// returned, when the receiver answered early: Body must not be reused.
type Request struct {
	Endpoint    *endpoint.Endpoint
	EventID     string // the same in every attempt; fit for a header
	EventType   string // fit for a header
	Subject     string
	ContentType string // empty: JSON if the body is, else application/octet-stream
	Traceparent string // W3C trace context; empty: none
	Source      string // the sender of a webhook; empty for an internal event
	Received    time.Time
	Header      map[string]string // the event's own, for its receivers; those that can't be sent are left out
	Body        []byte
	Attempt     int // from 1
}

// Result is what came of an attempt.
type Result struct {
	Verdict    Verdict
	Class      Class
	Status     int           // of the response; 0 when there was none
	Detail     string        // one sentence for people, without secrets and without the URL; empty when delivered
	RetryAfter time.Duration // the pause that the receiver asked for with a 429 or 503; 0: none
	Allowance  *Allowance    // what the receiver takes from now on, if it says so
	Started    time.Time     // also the time in the signature
	Duration   time.Duration
	Header     http.Header // of the response; nil when there was none
	Response   []byte      // the first 16 KiB of the response's body, as it came
	Truncated  bool        // the body was longer than Response, or broke off
	Sent       *Sent       // what was sent; nil when no request was made
}

// maxResponse is how many bytes of a response are read and kept, and bodyTime for how long they are waited for once the
// header is here: a body that never ends must not hold its endpoint's place.
const (
	maxResponse = 16 << 10
	bodyTime    = time.Second
)

// Do makes one attempt, from DNS to the last byte of the response within the endpoint's timeout. When ctx ends
// before the response's status is there, the result is Aborted.
//
// A status line decides alone: a body that breaks off after it, or takes longer than a second, only marks the result
// Truncated. A receiver that said 200 has the event, and would get it twice if its slow body made this a failure.
func (c *Client) Do(ctx context.Context, r Request) Result {
	res := Result{Started: c.now()}
	c.send(ctx, &r, &res)
	res.Duration = c.now().Sub(res.Started)
	return res
}

// Rehearse makes of r what Do would send, and sends nothing.
func (c *Client) Rehearse(r *Request) {
	if req, err := c.request(context.Background(), r, c.now()); err == nil {
		c.sent(r, req)
	}
}

func (c *Client) send(parent context.Context, r *Request, res *Result) {
	timeout := cmp.Or(time.Duration(r.Endpoint.Timeout), c.timeout)
	var handshake handshake
	ctx, cancel := context.WithTimeout(handshake.in(parent), timeout)
	defer cancel()
	// A transport and not an http.Client: it follows no redirect and keeps no cookie, and its errors hold no URL.
	transport, err := c.transportOf(r.Endpoint)
	var req *http.Request
	if err == nil {
		req, err = c.request(ctx, r, res.Started)
	}
	if err != nil {
		res.Verdict, res.Class, res.Detail = Failed, ClassRequest, err.Error()
		return
	}
	res.Sent = c.sent(r, req)
	resp, err := transport.RoundTrip(req)
	if err != nil {
		if !c.ours(err, &handshake, parent, ctx, res) {
			res.fail(err, ctx, timeout)
		}
		handshake.explain(res, err)
		return
	}
	enough := time.AfterFunc(bodyTime, cancel)
	c.read(resp, res)
	enough.Stop()
	res.judge(resp, r.Endpoint.Format, c.now())
}

// request builds the HTTP request. The error is fit for Result.Detail.
func (c *Client) request(ctx context.Context, r *Request, at time.Time) (*http.Request, error) {
	message, err := c.Compose(r, at)
	if err != nil {
		return nil, err
	}
	return message.request(ctx)
}

// read takes at most maxResponse bytes of the body. A body that was read to its end leaves the connection
// open for the next attempt; closing one that goes on closes the connection, however much there is left.
func (c *Client) read(resp *http.Response, res *Result) {
	defer resp.Body.Close()
	res.Status, res.Header = resp.StatusCode, resp.Header
	if resp.StatusCode < http.StatusOK {
		return // 101: what follows is no body, and the deadline does not reach it
	}
	buf := c.buffers.Get().(*[maxResponse + 1]byte)
	defer c.buffers.Put(buf)
	n := 0
	for n < len(buf) {
		m, err := resp.Body.Read(buf[n:])
		n += m
		if err != nil {
			res.Truncated = err != io.EOF
			break
		}
	}
	if n > maxResponse {
		n, res.Truncated = maxResponse, true
	}
	if n > 0 {
		res.Response = bytes.Clone(buf[:n])
	}
}
