package attempt

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
)

// handshake notes what a server asks for in the TLS handshake of an attempt. One that wants a client's certificate says
// so after the handshake of TLS 1.3, and then resets the connection: while a large body is being sent, the reset is all
// that is seen.
type handshake struct{ wantsCertificate atomic.Bool }

type handshakeKey struct{}

// in returns ctx for a request whose handshake, if it makes one, is noted.
func (h *handshake) in(ctx context.Context) context.Context {
	return context.WithValue(ctx, handshakeKey{}, h)
}

// noCertificate is asked by crypto/tls for a client's certificate.
func noCertificate(r *tls.CertificateRequestInfo) (*tls.Certificate, error) {
	if h, ok := r.Context().Value(handshakeKey{}).(*handshake); ok {
		h.wantsCertificate.Store(true)
	}
	return &tls.Certificate{}, nil // go on without: some servers only ask
}

// explain tells of a connection that ended for want of a certificate.
func (h *handshake) explain(res *Result) {
	if h.wantsCertificate.Load() && (res.Class == ClassConnectionReset || res.Class == ClassTLS) {
		res.Class, res.Detail = ClassTLS, "the server wants a client certificate, which Jethook does not have"
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
	refused, ok := errors.AsType[*tls.CertificateVerificationError](err)
	if _, unknown := errors.AsType[x509.UnknownAuthorityError](err); !ok || !unknown || len(refused.UnverifiedCertificates) == 0 {
		return reason(err)
	}
	// Servers are often set up with their own certificate alone, which browsers make up for by fetching the rest.
	last := refused.UnverifiedCertificates[len(refused.UnverifiedCertificates)-1]
	if string(last.RawIssuer) == string(last.RawSubject) {
		return reason(err)
	}
	missing := fmt.Sprintf("the server does not send the certificate of %q", last.Issuer.CommonName)
	if len(last.IssuingCertificateURL) > 0 { // which public authorities set, so that it can be fetched
		return reason(fmt.Errorf("the certificate chain is incomplete: %s", missing))
	}
	return reason(fmt.Errorf("the certificate chain is incomplete, or its authority is not trusted here: %s", missing))
}
