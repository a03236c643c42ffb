package attempt

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptrace"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// handshake notes how far the connection of an attempt has come, and what a server asks for in its TLS handshake. One that wants a client's certificate says
// so after the handshake of TLS 1.3, and then resets the connection: while a large body is being sent, the reset is all
// that is seen.
type handshake struct {
	wantsCertificate atomic.Bool // which there is not
	showsCertificate atomic.Bool
	resolving        atomic.Bool // the name is being looked up
	proxying         atomic.Bool // the proxy is being asked

	conn atomic.Pointer[tls.Conn] // the connection that was made for the request; nil: there is none, or it was used before
}

type handshakeKey struct{}

// in returns ctx for a request whose handshake, if it makes one, is noted.
func (h *handshake) in(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(context.WithValue(ctx, handshakeKey{}, h), &httptrace.ClientTrace{
		GotConn: func(got httptrace.GotConnInfo) {
			if c, ok := got.Conn.(*tls.Conn); ok && !got.Reused {
				h.conn.Store(c)
			}
		},
	})
}

// alert returns why the server ended the connection that was made for the request, if it said so in TLS after the handshake.
// Whoever reads from the connection first, which HTTP/2 does beside all requests, need not tell the request of that; the
// connection keeps it. The connection must have ended.
func (h *handshake) alert() error {
	c := h.conn.Load()
	if c == nil {
		return nil
	}
	_ = c.SetReadDeadline(time.Unix(1, 0)) // what fails is closed
	_, err := c.Read(make([]byte, 1))
	if remote, ok := errors.AsType[*net.OpError](err); ok && remote.Op == "remote error" {
		return err
	}
	return nil
}

// handshakeOf returns the handshake of a context; one that nobody looks at, if there is none.
func handshakeOf(ctx context.Context) *handshake {
	if h, ok := ctx.Value(handshakeKey{}).(*handshake); ok {
		return h
	}
	return new(handshake)
}

// looking notes that the name is looked up until what it returns is called, and asking that the proxy is asked: who runs
// out of time meanwhile says nothing of the endpoint.
func (h *handshake) looking() func() { return during(&h.resolving) }
func (h *handshake) asking() func()  { return during(&h.proxying) }

func during(flag *atomic.Bool) func() {
	flag.Store(true)
	return func() { flag.Store(false) }
}

// noCertificate is asked by crypto/tls for a client's certificate.
func noCertificate(r *tls.CertificateRequestInfo) (*tls.Certificate, error) {
	handshakeOf(r.Context()).wantsCertificate.Store(true)
	return &tls.Certificate{}, nil // go on without: some servers only ask
}

// explain tells of a connection that the server ended by an alert, or for want of a certificate.
func (h *handshake) explain(res *Result, err error) {
	if res.Class == ClassConnectionReset && !isStreamError(err) {
		if alert := h.alert(); alert != nil {
			res.Class, res.Detail = ClassTLS, "no secure connection: "+reason(alert)
		}
	}
	if h.wantsCertificate.Load() && (res.Class == ClassConnectionReset || res.Class == ClassTLS) {
		res.Class, res.Detail = ClassTLS, "the server wants a client certificate, and the endpoint has none"
	}
	if h.showsCertificate.Load() && res.Class == ClassConnectionReset { // it may also have other reasons
		res.Detail += "; the server was shown the endpoint's client certificate, and may not accept it"
	}
}

// isTLS also looks at the text: most errors of crypto/tls have no type.
func isTLS(err error) bool {
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return true
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return true
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return true
	}
	return errors.Is(err, http.ErrSchemeMismatch) || strings.Contains(err.Error(), "tls: ")
}

// tlsReason is why there is no secure connection.
func tlsReason(err error) string {
	if name, ok := errors.AsType[x509.HostnameError](err); ok {
		return fmt.Sprintf("the certificate is for %s, not for %s", namesOf(name.Certificate), name.Host)
	}
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](err); ok && invalid.Reason == x509.Expired {
		if c := invalid.Cert; time.Now().Before(c.NotBefore) {
			return fmt.Sprintf("the certificate of %q is not valid before %s", c.Subject.CommonName, c.NotBefore.UTC().Format(time.RFC3339))
		}
		return fmt.Sprintf("the certificate of %q expired at %s", invalid.Cert.Subject.CommonName, invalid.Cert.NotAfter.UTC().Format(time.RFC3339))
	}
	refused, ok := errors.AsType[*tls.CertificateVerificationError](err)
	if _, unknown := errors.AsType[x509.UnknownAuthorityError](err); !ok || !unknown || len(refused.UnverifiedCertificates) == 0 {
		return reason(err)
	}
	return untrusted(refused.UnverifiedCertificates)
}

// untrusted says why a chain leads to no authority that is trusted.
func untrusted(chain []*x509.Certificate) string {
	const remedy = "if it is right, give the endpoint its ca"
	last := chain[len(chain)-1]
	switch own := string(last.RawIssuer) == string(last.RawSubject); {
	case own && len(chain) == 1:
		return "the certificate is self-signed; " + remedy
	case own:
		return reason(fmt.Errorf("the certificate's authority %q is not trusted here; %s", last.Subject.CommonName, remedy))
	}
	// Servers are often set up with their own certificate alone, which browsers make up for by fetching the rest.
	missing := fmt.Sprintf("the server does not send the certificate of %q", last.Issuer.CommonName)
	if len(last.IssuingCertificateURL) > 0 { // which public authorities set, so that it can be fetched
		return reason(fmt.Errorf("the certificate chain is incomplete: %s", missing))
	}
	return reason(fmt.Errorf("the certificate chain is incomplete, or its authority is not trusted here: %s", missing))
}

// namesOf lists what a certificate is for.
func namesOf(c *x509.Certificate) string {
	names := slices.Clone(c.DNSNames)
	for _, ip := range c.IPAddresses {
		names = append(names, ip.String())
	}
	switch most := 3; {
	case len(names) == 0:
		return "no name"
	case len(names) > most:
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}
