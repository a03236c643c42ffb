package endpoints

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"jethook/consume/admin/operation"
	"jethook/consume/endpoint"
	"jethook/consume/endpoint/signing"
)

// secretRoutes add the two ways of seeing a secret of an endpoint, beside the answer that creates it.
func (o *Operations) secretRoutes() {
	const one = "/api/v1/endpoints/{id}"
	operation.Register(o.api, huma.Operation{
		OperationID: "rotate-endpoint", Method: http.MethodPost, Path: one + "/rotate", Tags: []string{"endpoints"},
		Summary: "Give an endpoint a new secret",
		Description: "The response contains the secret. During the overlap, deliveries of scheme standard are signed with each secret; hmac and bearer " +
			"have room for one signature and use the new secret immediately.",
		Errors: []int{http.StatusNotFound, http.StatusConflict, http.StatusPreconditionFailed},
	}, operation.Timeout, o.rotateEndpoint)
	operation.Register(o.api, huma.Operation{
		OperationID: "get-endpoint-secret", Method: http.MethodGet, Path: one + "/secret", Tags: []string{"endpoints"},
		Summary: "Reveal an endpoint's secrets", Description: "Returns the signing secrets, newest first. The request is logged.",
		Errors: []int{http.StatusNotFound, http.StatusConflict},
	}, operation.Timeout, o.revealSecrets)
	operation.Register(o.api, huma.Operation{
		OperationID: "get-endpoint-public-key", Method: http.MethodGet, Path: one + "/public-key", Tags: []string{"endpoints"},
		Summary: "Get an endpoint's public key", Description: "Receivers verify Ed25519 signatures (v1a) with this key. It is not a secret. An endpoint " +
			"without an Ed25519 secret has none.",
		Errors: []int{http.StatusNotFound, http.StatusConflict},
	}, operation.Timeout, o.publicKey)
}

// Rotation is how an endpoint gets a new secret.
type Rotation struct {
	Secret     string `json:"secret,omitempty" doc:"the new secret; default: generated in the form of the current one, if that is known" writeOnly:"true"`
	SecretType string `json:"secret_type,omitempty" enum:"text,base64,ed25519" doc:"how to read the key from the new secret; default: like the current one, or depending on the secret's form"`
	Overlap    string `json:"overlap,omitempty" doc:"how long earlier secrets stay valid, 0s to 168h; default: 24h" example:"24h"`
}

const (
	defaultOverlap = 24 * time.Hour
	maxOverlap     = 168 * time.Hour
)

type rotateInput struct {
	operation.EndpointParam
	PreconditionParam
	operation.IdempotencyParam
	Body *Rotation
}

type rotateOutput struct {
	ETag string `header:"ETag"`
	Body EndpointWithSecret
}

// errRepeated means that the request was made before, and has done what it asks for.
var errRepeated = errors.New("request repeated")

func (o *Operations) rotateEndpoint(ctx context.Context, in *rotateInput) (*rotateOutput, error) {
	body := Rotation{}
	if in.Body != nil {
		body = *in.Body
	}
	overlap, err := parseOverlap(body.Overlap)
	if err != nil {
		return nil, err
	}
	made, err := in.Request("rotate "+in.ID, body)
	if err != nil {
		return nil, err
	}
	var next signing.Secret
	e, err := o.registry.Update(ctx, in.ID, func(e *endpoint.Endpoint) error {
		for _, secret := range e.Secrets {
			if repeat, err := made.IsRepeat(secret.Request); err != nil || repeat {
				next = secret
				return cmp.Or(err, errRepeated)
			}
		}
		if err := in.check(e); err != nil {
			return err
		}
		if next, err = e.Successor(body.Secret, signing.SecretType(body.SecretType)); err != nil {
			return err
		}
		next.Request = made.String()
		rotated, err := e.Rotated(next, overlap, time.Now())
		if err == nil {
			*e = rotated
		}
		return err
	})
	switch {
	case err == nil:
		o.log.Info("endpoint's secret rotated", "endpoint", e.ID, "overlap", overlap)
	case !errors.Is(err, errRepeated):
		return nil, err
	}
	return &rotateOutput{etag(&e), withSecret(&e, next, body.SecretType)}, nil
}

func parseOverlap(text string) (time.Duration, error) {
	if text == "" {
		return defaultOverlap, nil
	}
	var d endpoint.Duration
	if err := d.UnmarshalText([]byte(text)); err != nil {
		return 0, operation.Invalid(operation.FailureField{Field: "overlap", Message: err.Error()})
	}
	if d < 0 || time.Duration(d) > maxOverlap {
		return 0, operation.Invalid(operation.FailureField{Field: "overlap", Message: "must be 0s to 168h"})
	}
	return time.Duration(d), nil
}

// SecretList is every secret that signs an endpoint's deliveries.
type SecretList struct {
	Items []RevealedSecret `json:"items" doc:"newest first"`
}

// RevealedSecret is one of them.
type RevealedSecret struct {
	Secret  string    `json:"secret"`
	Expires time.Time `json:"expires,omitzero" doc:"the secret is valid until this time; absent: without limit"`
	Type    string    `json:"secret_type,omitempty" doc:"how to read the key from the secret; absent: as its prefix whsec_ says"`
}

// PublicKeys are what receivers of an endpoint's deliveries verify them with.
type PublicKeys struct {
	PublicKey string      `json:"public_key" doc:"public key of the newest Ed25519 secret: whpk_ and base64" example:"whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4="`
	Items     []PublicKey `json:"items" doc:"public keys of all valid secrets, newest first"`
}

// PublicKey is one of them.
type PublicKey struct {
	PublicKey string    `json:"public_key" doc:"whpk_ and base64" example:"whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4="`
	Expires   time.Time `json:"expires,omitzero" doc:"its secret is valid until this time; absent: without limit"`
}

func (o *Operations) publicKey(ctx context.Context, in *operation.EndpointParam) (*operation.Answer[PublicKeys], error) {
	e, err := o.registry.Get(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	out := &operation.Answer[PublicKeys]{Body: PublicKeys{Items: []PublicKey{}}}
	for _, secret := range e.LiveSecrets(time.Now()) {
		if key := secret.PublicKey(); key != "" {
			out.Body.Items = append(out.Body.Items, PublicKey{key, secret.Expires})
		}
	}
	if len(out.Body.Items) == 0 {
		return nil, errNoPublicKey
	}
	out.Body.PublicKey = out.Body.Items[0].PublicKey
	return out, nil
}

func (o *Operations) revealSecrets(ctx context.Context, in *operation.EndpointParam) (*operation.Answer[SecretList], error) {
	e, err := o.registry.Get(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	o.log.Info("endpoint's secrets revealed", "endpoint", e.ID)
	out := &operation.Answer[SecretList]{Body: SecretList{Items: []RevealedSecret{}}}
	for _, secret := range e.LiveSecrets(time.Now()) {
		out.Body.Items = append(out.Body.Items, RevealedSecret{secret.Value.Reveal(), secret.Expires, string(secret.Told(e.Signature.Scheme))})
	}
	return out, nil
}
