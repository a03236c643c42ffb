package admin

import (
	"context"
	"net/http"
	"time"

	"jethook/consume/endpoint"
	"jethook/consume/recovery"
)

// Endpoint is GET /api/v1/endpoints/{id}, with the tag that a change can be made to depend on.
func (s *Server) Endpoint(ctx context.Context, id string) (e endpoint.Endpoint, tag string, err error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	out, err := s.getEndpoint(ctx, &getEndpointInput{EndpointParam: EndpointParam{id}})
	if err != nil {
		return endpoint.Endpoint{}, "", err
	}
	return out.Body, out.ETag, nil
}

// CreateEndpoint is POST /api/v1/endpoints. The key names the request, as an Idempotency-Key does.
func (s *Server) CreateEndpoint(ctx context.Context, spec *endpoint.Spec, key string) (*EndpointWithSecret, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	out, err := perform(ctx, s, "create-endpoint", &createEndpointInput{IdempotencyParam: IdempotencyParam{key}, Body: EndpointFields(*spec)}, s.createEndpoint)
	if err != nil {
		return nil, err
	}
	return &out.Body, nil
}

// condition names an endpoint, and the tag that it must still have; an empty one holds always.
func condition(id, tag string) *EndpointCondition {
	return &EndpointCondition{EndpointParam{id}, PreconditionParam{tag}}
}

type specInput struct {
	EndpointCondition
	Body *endpoint.Spec
}

// ChangeEndpoint is PATCH /api/v1/endpoints/{id}.
func (s *Server) ChangeEndpoint(ctx context.Context, id, tag string, spec *endpoint.Spec) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	in := &specInput{EndpointCondition: *condition(id, tag), Body: spec}
	_, err := perform(ctx, s, "change-endpoint", in, func(ctx context.Context, in *specInput) (*endpointOutput, error) {
		return s.update(ctx, &in.EndpointCondition, in.Body, time.Time{})
	})
	return err
}

// EnableEndpoint is POST /api/v1/endpoints/{id}/enable.
func (s *Server) EnableEndpoint(ctx context.Context, id, from string) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	_, err := perform(ctx, s, "enable-endpoint", &enableEndpointInput{EndpointCondition: *condition(id, ""), Body: &EnableRequest{From: from}}, s.enableEndpoint)
	return err
}

// DisableEndpoint is POST /api/v1/endpoints/{id}/disable.
func (s *Server) DisableEndpoint(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	_, err := perform(ctx, s, "disable-endpoint", condition(id, ""), s.disableEndpoint)
	return err
}

// RemoveEndpoint is DELETE /api/v1/endpoints/{id}.
func (s *Server) RemoveEndpoint(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	_, err := perform(ctx, s, "delete-endpoint", condition(id, ""), s.deleteEndpoint)
	return err
}

// RotateEndpoint is POST /api/v1/endpoints/{id}/rotate.
func (s *Server) RotateEndpoint(ctx context.Context, id string, how Rotation, key string) (*EndpointWithSecret, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	out, err := perform(ctx, s, "rotate-endpoint", &rotateInput{EndpointParam: EndpointParam{id}, IdempotencyParam: IdempotencyParam{key}, Body: &how}, s.rotateEndpoint)
	if err != nil {
		return nil, err
	}
	return &out.Body, nil
}

// RevealSecrets is GET /api/v1/endpoints/{id}/secret.
func (s *Server) RevealSecrets(ctx context.Context, id string) (*SecretList, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	out, err := perform(ctx, s, "get-endpoint-secret", &EndpointParam{id}, s.revealSecrets)
	if err != nil {
		return nil, err
	}
	return &out.Body, nil
}

// TestEndpoint is POST /api/v1/endpoints/{id}/test.
func (s *Server) TestEndpoint(ctx context.Context, id string, want TrialRequest) (*Trial, error) {
	ctx, cancel := context.WithTimeout(ctx, trialTimeout+requestTimeout)
	defer cancel()
	out, err := perform(ctx, s, "test-endpoint", &trialInput{EndpointParam: EndpointParam{id}, Body: &want}, s.testEndpoint)
	if err != nil {
		return nil, err
	}
	return &out.Body, nil
}

// PreviewDraft is the request that would go out if an endpoint were as spec says: a new one, or, with an id, that one after the
// change. It is of the stored event at place, or of a sample without one. Credentials are hidden, and nothing is stored or sent.
func (s *Server) PreviewDraft(ctx context.Context, id string, spec *endpoint.Spec, place string) (*Preview, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	e, err := s.draft(ctx, id, spec)
	if err != nil {
		return nil, err
	}
	return s.preview(ctx, &e, &previewInput{EndpointParam: EndpointParam{e.ID}, Event: place})
}

// draft is an endpoint as spec would make it.
func (s *Server) draft(ctx context.Context, id string, spec *endpoint.Spec) (endpoint.Endpoint, error) {
	if id == "" {
		return endpoint.New(spec, s.policy, time.Now())
	}
	e, err := s.registry.Get(ctx, id)
	if err != nil {
		return e, err
	}
	return e.With(spec, s.policy, time.Now())
}

// RecoverEndpoint is POST /api/v1/endpoints/{id}/recover.
func (s *Server) RecoverEndpoint(ctx context.Context, id string, want RecoverRequest) (*recovery.Recovery, error) {
	ctx, cancel := context.WithTimeout(ctx, bulkTimeout)
	defer cancel()
	out, err := perform(ctx, s, "recover-endpoint", &recoverInput{EndpointParam: EndpointParam{id}, Body: want}, s.recoverEndpoint)
	if err != nil {
		return nil, err
	}
	return &out.Body, nil
}

// Recoveries is GET /api/v1/recoveries.
func (s *Server) Recoveries(ctx context.Context) ([]recovery.Recovery, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	return s.recoveries.List(ctx)
}

// CancelRecovery is DELETE /api/v1/recoveries/{id}.
func (s *Server) CancelRecovery(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	_, err := perform(ctx, s, "cancel-recovery", &RecoveryParam{id}, s.cancelRecovery)
	return err
}

// Match is GET /api/v1/match.
func (s *Server) Match(ctx context.Context, subject string) ([]Match, error) {
	if s.registry == nil {
		return nil, nil
	}
	out, err := s.matchSubject(ctx, &matchInput{Subject: subject})
	if err != nil {
		return nil, err
	}
	return out.Body.Items, nil
}

// CheckEvent says what is wrong with an event that is to be sent, before it is.
func (s *Server) CheckEvent(e *NewEvent) []FailureField { return checkEvent(e) }

// SendEvent is POST /api/v1/events. The event's data must be JSON.
func (s *Server) SendEvent(ctx context.Context, e *NewEvent, key string) (*SentEvent, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	out, err := perform(ctx, s, "send-event", &sendEventInput{IdempotencyParam: IdempotencyParam{key}, Body: *e}, s.sendEvent)
	if err != nil {
		return nil, err
	}
	return &out.Body, nil
}

// ResendEvent is POST /api/v1/events/{id}/resend; without endpoints, to all whose patterns match.
func (s *Server) ResendEvent(ctx context.Context, id string, endpoints []string) (*Resent, error) {
	ctx, cancel := context.WithTimeout(ctx, bulkTimeout)
	defer cancel()
	if s.registry == nil {
		return nil, newFailure(http.StatusConflict, "no_endpoints", "this process keeps no endpoints: ask a jethook serve or jethook consume")
	}
	out, err := perform(ctx, s, "resend-event", &resendInput{EventParams: EventParams{ID: id}, Body: &ResendRequest{Endpoints: endpoints}}, s.resendEvent)
	if err != nil {
		return nil, err
	}
	return &out.Body, nil
}

// DeadFilter chooses dead letters as GET /api/v1/dead does.
type DeadFilter struct {
	PageParams
	FilterParams
	Reason string
}

// DeadLetters is GET /api/v1/dead.
func (s *Server) DeadLetters(ctx context.Context, f *DeadFilter) (*DeliveryPage, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	out, err := s.listDead(ctx, &listDeadInput{PageParams: f.PageParams, FilterParams: f.FilterParams, Reason: f.Reason})
	if err != nil {
		return nil, err
	}
	return &out.Body, nil
}

// ReplayDead is POST /api/v1/dead/replay.
func (s *Server) ReplayDead(ctx context.Context, c DeadChoice) (*Replayed, error) {
	ctx, cancel := context.WithTimeout(ctx, bulkTimeout)
	defer cancel()
	out, err := perform(ctx, s, "replay-dead", &replayInput{ReplayRequest{c}}, s.replayDead)
	if err != nil {
		return nil, err
	}
	return &out.Body, nil
}

// RemoveDead is POST /api/v1/dead/remove.
func (s *Server) RemoveDead(ctx context.Context, c DeadChoice) (*Removed, error) {
	ctx, cancel := context.WithTimeout(ctx, bulkTimeout)
	defer cancel()
	all := len(c.IDs) == 0 && c.Endpoint == "" && c.Since == "" && c.Until == "" && c.Reason == ""
	out, err := perform(ctx, s, "remove-dead", &removeInput{RemoveRequest{DeadChoice: c, All: all}}, s.removeDead)
	if err != nil {
		return nil, err
	}
	return &out.Body, nil
}
