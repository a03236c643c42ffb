package attempt

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"

	"jethook/consume/attempt/format"
	"jethook/consume/endpoint"
)

// Verdict is what an attempt means for its delivery.
type Verdict int

// The verdicts.
const (
	Failed    Verdict = iota // the attempt is used up
	Delivered                // the receiver has the event
	Gone                     // as Failed, and the receiver wants no event any more: 410, or a chat service's webhook that was removed
	Aborted                  // a fault or a stop on our side: the attempt is not used up
	Later                    // the receiver did nothing with the event and asks for it later: 429, or 503 with Retry-After
)

// String returns the verdict's name in lower case.
func (v Verdict) String() string {
	return [...]string{"failed", "delivered", "gone", "aborted", "later"}[v]
}

// Class is the kind of an outcome, from a small set that is fit for filters and metrics.
type Class string

// The classes.
const (
	ClassOK                Class = "ok"                 // 2xx
	ClassStatus            Class = "status"             // any other status
	ClassRedirect          Class = "redirect"           // 3xx, which is not followed
	ClassDNS               Class = "dns"                // the host's name could not be resolved
	ClassAddressRefused    Class = "address_refused"    // an address that is neither public nor allowed
	ClassConnectionRefused Class = "connection_refused" // nobody listens there
	ClassUnreachable       Class = "unreachable"        // no route to the address
	ClassConnectionReset   Class = "connection_reset"   // the connection ended before a response
	ClassTLS               Class = "tls"                // no secure connection: certificate, version, no TLS at all
	ClassRefused           Class = "refused"            // the server took no request at all: REFUSED_STREAM or GOAWAY
	ClassTimeout           Class = "timeout"            // no response in time
	ClassBadResponse       Class = "bad_response"       // what came is not HTTP
	ClassRequest           Class = "request"            // no request could be made of the event and the endpoint
	ClassCircuitOpen       Class = "circuit_open"       // no request was made: the endpoint keeps failing
	ClassPoison            Class = "poison"             // no request was made: making it ends the process
	ClassAborted           Class = "aborted"            // ended by the caller
	ClassLocal             Class = "local"              // this machine lacks something, such as file descriptors
	ClassProxy             Class = "proxy"              // the egress proxy failed, or could not reach the address
	ClassNone              Class = "none"               // of a line of the history that is about no attempt
)

// Classes are those that the history holds, which has nothing of an attempt that was not used up.
var Classes = []Class{
	ClassOK, ClassStatus, ClassRedirect, ClassDNS, ClassAddressRefused, ClassConnectionRefused, ClassUnreachable,
	ClassConnectionReset, ClassTLS, ClassRefused, ClassTimeout, ClassBadResponse, ClassRequest, ClassCircuitOpen, ClassPoison, ClassProxy, ClassNone,
}

// judge decides by the response's status. It is the one table of what a status means.
func (res *Result) judge(resp *http.Response, f endpoint.Format, now time.Time) {
	if f == endpoint.FormatDiscord {
		res.Allowance = allowanceOf(resp.Header)
	}
	switch s := res.Status; {
	case s >= 200 && s <= 299:
		res.Verdict, res.Class = Delivered, ClassOK
		return
	case s >= 300 && s <= 399 && s != http.StatusNotModified:
		res.Verdict, res.Class = Failed, ClassRedirect
	case s == http.StatusGone:
		res.Verdict, res.Class = Gone, ClassStatus
	default:
		res.Verdict, res.Class = Failed, ClassStatus
	}
	res.Detail = strings.TrimSpace(fmt.Sprintf("answered %d %s", res.Status, http.StatusText(res.Status)))
	if res.Class == ClassRedirect {
		res.Detail += target(resp) + ", and redirects are not followed"
	}
	why, gone := format.Refusal(f, res.Status, res.Response)
	if gone {
		res.Verdict, why = Gone, strings.TrimSpace(why+": the webhook was removed there")
	}
	if why != "" {
		res.Detail += ": " + strings.TrimPrefix(why, ": ")
	}
	if res.Status == http.StatusTooManyRequests || res.Status == http.StatusServiceUnavailable {
		res.RetryAfter = retryAfter(resp.Header.Get("Retry-After"), now)
		if f == endpoint.FormatDiscord {
			res.RetryAfter = max(res.RetryAfter, discordRetryAfter(res.Response))
			if a := res.Allowance; a != nil && a.Remaining == 0 {
				res.RetryAfter = max(res.RetryAfter, a.Reset)
			}
		}
		if res.Status == http.StatusTooManyRequests || res.RetryAfter > 0 {
			res.Verdict = Later
		}
	}
}

// target names where a redirect leads, without what may be secret; empty if that can't be told.
func target(resp *http.Response) string {
	to, err := resp.Location()
	if err != nil || len(to.Host)+len(to.Path) > maxReason {
		return ""
	}
	return " to " + (&url.URL{Scheme: to.Scheme, Host: to.Host, Path: to.Path}).String()
}

// ours reports whether the error that came instead of a response is a fault of this side, and says so. parent is the caller's
// context, ctx the one with the timeout.
func (c *Client) ours(err error, h *handshake, parent, ctx context.Context, res *Result) bool {
	late := ctx.Err() != nil
	proxy, isProxy := errors.AsType[*proxyError](err)
	switch {
	case parent.Err() != nil:
		res.Class, res.Detail = ClassAborted, "stopped before the response came"
	case isLocal(err):
		res.Class, res.Detail = ClassLocal, "this machine could not connect: "+reason(err)
	case isProxy && !proxy.target:
		res.Class, res.Detail = ClassProxy, reason(proxy)
	case late && h.proxying.Load():
		res.Class, res.Detail = ClassProxy, "the proxy of JETHOOK_EGRESS_PROXY does not answer"
	case (late && h.resolving.Load() || isUnresolved(err)) && c.resolver.isSilent():
		res.Class, res.Detail = ClassLocal, "this machine's DNS resolver does not answer"
	default:
		return false
	}
	res.Verdict = Aborted
	return true
}

// isUnresolved reports whether a name was not looked up, and nobody said that there is none.
func isUnresolved(err error) bool {
	dns, ok := errors.AsType[*net.DNSError](err)
	return ok && !dns.IsNotFound
}

// fail decides by an error that is not ours.
func (res *Result) fail(err error, ctx context.Context, timeout time.Duration) {
	res.Verdict = Failed
	proxy, isProxy := errors.AsType[*proxyError](err)
	switch {
	case isProxy: // it may be the endpoint's fault, or the proxy's: only time tells
		res.Verdict, res.Class, res.Detail = Later, ClassProxy, reason(proxy)
	case isRefused(err):
		res.Verdict, res.Class, res.Detail = Later, ClassRefused, "the server took no request (HTTP/2 REFUSED_STREAM or GOAWAY)"
	case ctx.Err() != nil:
		res.Class, res.Detail = ClassTimeout, fmt.Sprintf("no response within %s", endpoint.Duration(timeout))
	default:
		res.Class, res.Detail = classify(err)
	}
}

// isLocal reports whether the fault is ours. Ports that ran out (EADDRNOTAVAIL) are not told from an address
// that this machine can never reach, and so count as the endpoint's.
func isLocal(err error) bool {
	return isAny(err, syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.ENOBUFS)
}

// classify names the fault of the endpoint behind an error. The more special cases come first, since timeouts
// and system errors also come wrapped in them.
func classify(err error) (Class, string) {
	var timeout net.Error
	switch dns, isDNS := errors.AsType[*net.DNSError](err); {
	case errors.Is(err, endpoint.ErrAddressRefused):
		return ClassAddressRefused, refusal(err)
	case isDNS && dns.IsNotFound:
		return ClassDNS, fmt.Sprintf("the host %q is not known", dns.Name)
	case isDNS:
		return ClassDNS, fmt.Sprintf("looking up the host %q failed", dns.Name)
	case errors.As(err, &timeout) && timeout.Timeout():
		return ClassTimeout, fmt.Sprintf("no connection within %s", connectTimeout)
	case errors.Is(err, syscall.ECONNREFUSED):
		return ClassConnectionRefused, "the connection was refused"
	case isAny(err, syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.EADDRNOTAVAIL):
		return ClassUnreachable, "there is no route to the host"
	case isTLS(err):
		return ClassTLS, "no secure connection: " + tlsReason(err)
	case isAny(err, syscall.ECONNRESET, syscall.EPIPE, net.ErrClosed, io.EOF, io.ErrUnexpectedEOF) || isHangUp(err):
		return ClassConnectionReset, "the connection ended before a response came"
	default:
		return ClassBadResponse, "the response is not valid: " + reason(err)
	}
}

func isAny(err error, targets ...error) bool {
	for _, target := range targets {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}

// isRefused reports whether the server said that it looked at none of the requests that it was sent: RFC 9113, sections
// 6.8 and 8.7.
func isRefused(err error) bool {
	return errors.Is(err, errRefused) || strings.Contains(err.Error(), "; REFUSED_STREAM") || strings.Contains(err.Error(), "server sent GOAWAY")
}

// isHangUp knows the errors of net/http for a connection that the receiver closed. They have no exported type.
func isHangUp(err error) bool {
	for _, text := range []string{"server closed idle connection", "client connection lost", "client conn could not be established"} {
		if strings.Contains(err.Error(), text) {
			return true
		}
	}
	return isStreamError(err)
}

// isStreamError reports whether the receiver ended one request alone: others on the connection go on.
func isStreamError(err error) bool { return strings.Contains(err.Error(), "stream error: ") }

// refusal is the text of the guard's own error, without what net wrapped around it.
func refusal(err error) string {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		err = op.Err
	}
	return reason(err)
}

// maxReason bounds what an error may quote of a response.
const maxReason = 200

// reason is an error's text, cut to a size and as valid UTF-8.
func reason(err error) string {
	text := err.Error()
	if len(text) > maxReason {
		text = text[:maxReason] + "..."
	}
	return strings.ToValidUTF8(text, "")
}
