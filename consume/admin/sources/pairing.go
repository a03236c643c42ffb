package sources

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"jethook/config"
	"jethook/consume/admin/operation"
	"jethook/consume/endpoint"
	"jethook/publish/seal"
)

func (o *Operations) pairingRoutes() {
	const one = "/api/v1/sources/{name}"
	failures := []int{http.StatusNotFound, http.StatusConflict}
	operation.Register(o.api, huma.Operation{
		OperationID: "pair-source", Method: http.MethodPost, Path: one + "/pair", Tags: []string{"sources"},
		Summary: "Let a source accept a secret",
		Description: "For a sender that hands over its secret in a handshake. Anyone could send one, so it is accepted only at the URL in the " +
			"response, and only once; enter this URL at the sender. A new request invalidates the previous URL.",
		Errors: failures,
	}, operation.Timeout, o.pairSource)
	operation.Register(o.api, huma.Operation{
		OperationID: "get-source-secret", Method: http.MethodGet, Path: one + "/secret", Tags: []string{"sources"},
		Summary:     "Reveal the secrets that a sender handed over",
		Description: "Newest first; any of them verifies. The request is logged.",
		Errors:      failures,
	}, operation.Timeout, o.revealSourceSecrets)
	operation.Register(o.api, huma.Operation{
		OperationID: "forget-source-secret", Method: http.MethodDelete, Path: one + "/secret", Tags: []string{"sources"},
		Summary:     "Forget the secrets that a sender handed over",
		Description: "Requests signed with them will fail verification, and a pairing ends. To get a new secret, pair the source.",
		Errors:      failures,
	}, operation.Timeout, o.forgetSourceSecrets)
}

// What a handshake of a source comes to.
const (
	handshakeWaiting = "waiting"
	handshakeOpen    = "open"
	handshakeDone    = "done"
	// handshakeUnreadable: what the sender handed over can't be read.
	handshakeUnreadable = "unreadable"
)

// handshake is empty for a sender that hands no secret over.
func (o *Operations) handshake(ctx context.Context, c *config.Source) (string, error) {
	if !o.senders[c.Name].Learns {
		return "", nil
	}
	state, err := o.bus.Sources().Get(ctx, c.Name)
	switch {
	case errors.Is(err, seal.ErrUnreadable):
		return handshakeUnreadable, nil
	case err != nil:
		return "", err
	case time.Now().Before(state.Pairing.Until):
		return handshakeOpen, nil
	case len(c.Secrets) == 0 && len(state.Secrets) == 0:
		return handshakeWaiting, nil
	default:
		return handshakeDone, nil
	}
}

// learns returns the source's settings, or an error unless its sender hands its secret over.
func (o *Operations) learns(name string) (*config.Source, error) {
	source, err := o.source(name)
	if err == nil && !o.senders[name].Learns {
		err = errNoHandshake
	}
	return source, err
}

// Pairing is for how long a source takes a secret.
type Pairing struct {
	For string `json:"for,omitempty" doc:"how long to accept the handshake, 1s to 24h; default: 10m" example:"10m"`
}

const (
	defaultPairing = 10 * time.Minute
	minPairing     = time.Second
	maxPairing     = 24 * time.Hour
)

func (p *Pairing) duration() (time.Duration, error) {
	if p == nil || p.For == "" {
		return defaultPairing, nil
	}
	var d endpoint.Duration
	if err := d.UnmarshalText([]byte(p.For)); err != nil {
		return 0, operation.Invalid(operation.FailureField{Field: "for", Message: err.Error()})
	}
	if time.Duration(d) < minPairing || time.Duration(d) > maxPairing {
		return 0, operation.Invalid(operation.FailureField{Field: "for", Message: "must be 1s to 24h"})
	}
	return time.Duration(d), nil
}

type pairInput struct {
	SourceParam
	Body *Pairing
}

// Paired says where and until when a secret is taken.
type Paired struct {
	Address string    `json:"address" doc:"the URL to enter at the sender; only its path unless the source's URL is set. Keep it secret until the handshake" example:"https://hooks.example.com/webhooks/asana?pair=NPUTH4FJ6CFHRVEGRPVMR5QFQM"`
	Until   time.Time `json:"until" doc:"the source accepts one secret until this time" example:"2026-01-02T15:04:05Z"`
}

func (o *Operations) pairSource(ctx context.Context, in *pairInput) (*operation.Answer[Paired], error) {
	source, err := o.learns(in.Name)
	if err != nil {
		return nil, err
	}
	d, err := in.Body.duration()
	if err != nil {
		return nil, err
	}
	until := time.Now().Add(d).UTC()
	nonce, err := o.bus.Sources().Pair(ctx, in.Name, until)
	if err != nil {
		return nil, err
	}
	o.log.Info("source accepts a secret from its sender", "source", in.Name, "until", until)
	return &operation.Answer[Paired]{Body: Paired{pairingAddress(source, nonce), until}}, nil
}

// pairingAddress is where a sender may hand a secret over.
func pairingAddress(c *config.Source, nonce string) string {
	address, query, _ := strings.Cut(c.URL, "?")
	if address == "" {
		address = "/webhooks/" + c.Name
	}
	if query != "" {
		query += "&"
	}
	return address + "?" + query + "pair=" + nonce
}

// SourceSecrets are the secrets that a sender handed over.
type SourceSecrets struct {
	Items []SourceSecret `json:"items" doc:"newest first; empty before the handshake"`
}

// SourceSecret is one of them.
type SourceSecret struct {
	Secret string    `json:"secret" doc:"the secret that the sender signs with" example:"b537207f20cbfa02357cf448134da559e8bd39d61597dcd5631b8012eae53e81"`
	At     time.Time `json:"at" doc:"when it was handed over" example:"2026-01-02T15:04:05Z"`
}

func (o *Operations) revealSourceSecrets(ctx context.Context, in *SourceParam) (*operation.Answer[SourceSecrets], error) {
	if _, err := o.learns(in.Name); err != nil {
		return nil, err
	}
	state, err := o.bus.Sources().Get(ctx, in.Name)
	if err != nil {
		return nil, err
	}
	o.log.Info("source's secrets revealed", "source", in.Name)
	out := &operation.Answer[SourceSecrets]{Body: SourceSecrets{Items: []SourceSecret{}}}
	for _, secret := range state.Secrets {
		out.Body.Items = append(out.Body.Items, SourceSecret{secret.Value.Reveal(), secret.At})
	}
	return out, nil
}

func (o *Operations) forgetSourceSecrets(ctx context.Context, in *SourceParam) (*struct{}, error) {
	if _, err := o.learns(in.Name); err != nil {
		return nil, err
	}
	if err := o.bus.Sources().Forget(ctx, in.Name); err != nil {
		return nil, err
	}
	o.log.Info("source's secrets forgotten", "source", in.Name)
	return nil, nil
}

// Pair is POST /api/v1/sources/{name}/pair, for a caller in the same process.
func (o *Operations) Pair(ctx context.Context, source, lasts string) (*Paired, error) {
	in := &pairInput{SourceParam: SourceParam{source}, Body: &Pairing{For: lasts}}
	return operation.Call(ctx, o.api, "pair-source", operation.Timeout, in, o.pairSource)
}
