package client

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"jethook/consume/admin/endpoints"
	"jethook/consume/admin/trials"
	"jethook/consume/attempt"
	"jethook/consume/endpoint"
	"jethook/consume/endpoint/signing"
)

// Signs reports whether a secret, of a type or else of any, is the newest of an endpoint's, by a preview that it signed: so nothing needs to
// be revealed that the caller does not know already.
func (c *Client) Signs(ctx context.Context, e *endpoint.Endpoint, secret string, as signing.SecretType) (bool, error) {
	const event = "jethook.test"
	var p trials.Preview
	path := EndpointPath(e.ID) + "/preview?data=0&type=" + event
	if e.Signature.Scheme == signing.SchemeBearer { // the secret itself stands in for a signature
		path += "&reveal=true"
	}
	if _, err := c.Ask(ctx, http.MethodGet, path, nil, &p); err != nil {
		return false, fmt.Errorf("comparing the secret of endpoint %s: %w", e.ID, err)
	}
	header := map[string]string{}
	for _, h := range p.Request.Headers {
		header[h.Name] = h.Value
	}
	seconds, err := strconv.ParseInt(header["Webhook-Timestamp"], 10, 64)
	if err != nil {
		return false, fmt.Errorf("comparing the secret of endpoint %s: its preview has no timestamp", e.ID)
	}
	name := map[signing.Scheme]string{signing.SchemeHMAC: e.Signature.Header, signing.SchemeBearer: "Authorization"}[e.Signature.Scheme]
	name = cmp.Or(name, "Webhook-Signature")
	newest := header[name]
	if e.Signature.Scheme == signing.SchemeStandard { // others follow while a secret rotates
		newest, _, _ = strings.Cut(newest, " ")
	}
	types := []signing.SecretType{as}
	if as == "" { // however it was read when the endpoint got it
		types = []signing.SecretType{"", signing.SecretText, signing.SecretBase64}
	}
	for _, as := range types {
		own, err := signing.ReadSecret(secret, as, e.Signature.Scheme, nil)
		if err != nil {
			continue
		}
		ours := *e
		ours.Secrets, ours.Second, ours.Format = []signing.Secret{own}, nil, endpoint.FormatRaw // the body is composed already
		m, err := attempt.NewClient(attempt.Options{}).Compose(&attempt.Request{
			Endpoint: &ours, EventID: p.EventID, EventType: p.Type, Body: []byte(p.Request.Body), Attempt: p.Attempt,
		}, time.Unix(seconds, 0))
		if err != nil {
			return false, fmt.Errorf("comparing the secret of endpoint %s: %w", e.ID, err)
		}
		if newest == m.Header.Get(name) {
			return true, nil
		}
	}
	return false, nil
}

// Reveal returns the newest secret of an endpoint. The server logs that it was asked for.
func (c *Client) Reveal(ctx context.Context, id string) (endpoints.RevealedSecret, error) {
	var secrets endpoints.SecretList // the newest first
	if _, err := c.Ask(ctx, http.MethodGet, EndpointPath(id)+"/secret", nil, &secrets); err != nil {
		return endpoints.RevealedSecret{}, fmt.Errorf("reading the secret of endpoint %s: %w", id, err)
	}
	if len(secrets.Items) == 0 {
		return endpoints.RevealedSecret{}, fmt.Errorf("endpoint %s has no secret", id)
	}
	return secrets.Items[0], nil
}
