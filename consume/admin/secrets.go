package admin

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"jethook/config"
	"jethook/consume/endpoint"
)

// secretRoutes add the two ways of seeing a secret of an endpoint, beside the answer that creates it.
func (s *Server) secretRoutes() {
	const one = "/api/v1/endpoints/{id}"
	register(s, huma.Operation{
		OperationID: "rotate-endpoint", Method: http.MethodPost, Path: one + "/rotate", Tags: []string{"endpoints"},
		Summary: "Give an endpoint a new secret",
		Description: "The answer shows it. During the overlap, deliveries of scheme standard carry a signature by each secret; hmac and bearer " +
			"have room for one, which is the new secret's from now on.",
		Errors: []int{http.StatusNotFound, http.StatusConflict, http.StatusPreconditionFailed},
	}, requestTimeout, s.rotateEndpoint)
	register(s, huma.Operation{
		OperationID: "get-endpoint-secret", Method: http.MethodGet, Path: one + "/secret", Tags: []string{"endpoints"},
		Summary: "Reveal an endpoint's secrets", Description: "Those that sign, the newest first. That it was asked for is logged.",
		Errors: []int{http.StatusNotFound, http.StatusConflict},
	}, requestTimeout, s.revealSecrets)
}

// Rotation is how an endpoint gets a new secret.
type Rotation struct {
	Secret  string `json:"secret,omitempty" doc:"the new one; made unless given" writeOnly:"true"`
	Overlap string `json:"overlap,omitempty" doc:"how long the secrets before it go on signing: 0s to 168h; default: 24h" example:"24h"`
}

const (
	defaultOverlap = 24 * time.Hour
	maxOverlap     = 168 * time.Hour
)

type rotateInput struct {
	EndpointParam
	PreconditionParam
	IdempotencyParam
	Body *Rotation
}

type rotateOutput struct {
	ETag string `header:"ETag"`
	Body EndpointWithSecret
}

// errRepeated means that the request was made before, and has done what it asks for.
var errRepeated = errors.New("request repeated")

func (s *Server) rotateEndpoint(ctx context.Context, in *rotateInput) (*rotateOutput, error) {
	body := Rotation{}
	if in.Body != nil {
		body = *in.Body
	}
	overlap, err := parseOverlap(body.Overlap)
	if err != nil {
		return nil, err
	}
	next := endpoint.GenerateSecret()
	if body.Secret != "" {
		next.Value = config.NewSecret(body.Secret)
	}
	made, err := in.request("rotate "+in.ID, body)
	if err != nil {
		return nil, err
	}
	next.Request = made.String()
	e, err := s.registry.Update(ctx, in.ID, func(e *endpoint.Endpoint) error {
		for _, secret := range e.Secrets {
			if repeat, err := made.isRepeat(secret.Request); err != nil || repeat {
				next = secret
				return cmp.Or(err, errRepeated)
			}
		}
		if err := in.check(e); err != nil {
			return err
		}
		rotated, err := e.Rotated(next, overlap, time.Now())
		if err == nil {
			*e = rotated
		}
		return err
	})
	switch {
	case err == nil:
		s.log.Info("endpoint's secret rotated", "endpoint", e.ID, "overlap", overlap)
	case !errors.Is(err, errRepeated):
		return nil, err
	}
	return &rotateOutput{etag(&e), EndpointWithSecret{e, next.Value.Reveal()}}, nil
}

func parseOverlap(text string) (time.Duration, error) {
	if text == "" {
		return defaultOverlap, nil
	}
	var d endpoint.Duration
	if err := d.UnmarshalText([]byte(text)); err != nil {
		return 0, invalid(FailureField{Field: "overlap", Message: err.Error()})
	}
	if d < 0 || time.Duration(d) > maxOverlap {
		return 0, invalid(FailureField{Field: "overlap", Message: "must be 0s to 168h"})
	}
	return time.Duration(d), nil
}

// SecretList is every secret that signs an endpoint's deliveries.
type SecretList struct {
	Items []RevealedSecret `json:"items" doc:"the newest first"`
}

// RevealedSecret is one of them.
type RevealedSecret struct {
	Secret  string    `json:"secret"`
	Expires time.Time `json:"expires,omitzero" doc:"until when it signs; absent: it stays"`
}

type revealOutput struct{ Body SecretList }

func (s *Server) revealSecrets(ctx context.Context, in *EndpointParam) (*revealOutput, error) {
	e, err := s.registry.Get(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	s.log.Info("endpoint's secrets revealed", "endpoint", e.ID)
	out := &revealOutput{SecretList{Items: []RevealedSecret{}}}
	for _, secret := range e.LiveSecrets(time.Now()) {
		out.Body.Items = append(out.Body.Items, RevealedSecret{secret.Value.Reveal(), secret.Expires})
	}
	return out, nil
}
