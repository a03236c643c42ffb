package ingest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"jethook/config"
	"jethook/ingest/provider"
	"jethook/publish/groupcommit"
	"jethook/publish/sources"
)

// Some senders choose the secret and hand it over in their first request, which nothing verifies. So none is taken, not
// even the first, but at the address that an operator was given for it: a nonce in its query tells the sender from anyone
// else who knows where the source is, and may be faster.

// nonceParameter is the parameter of that address.
const nonceParameter = "pair"

// pairing is a source that takes another secret for a while.
type pairing struct {
	sources.Pairing
	receiver *provider.Receiver // bound to no secret
}

// opens reports whether a request with that query may hand a secret over.
func (p *pairing) opens(query string, now time.Time) bool {
	return p != nil && p.Opens(nonceOf(query), now)
}

// nonceOf is empty, which opens nothing, unless there is one.
func nonceOf(query string) string {
	values, err := url.ParseQuery(query)
	if err != nil || len(values[nonceParameter]) != 1 {
		return ""
	}
	return values.Get(nonceParameter)
}

// Learner keeps what senders hand over; *publish.Sources is one.
type Learner interface {
	// Learn returns what is known of the source, once the secret is kept, or with publish.ErrNotPairing.
	Learn(ctx context.Context, source string, secret config.Secret, nonce string, now time.Time) (sources.State, error)
	// Watch tells what is known of each source, and of changes, until ctx ends.
	Watch(ctx context.Context, changed func(source string, state sources.State, err error)) error
}

// receiveFrom verifies r with what the source knows at this moment.
func (src *source) receiveFrom(r *provider.Request, now time.Time) (provider.Outcome, error) {
	outcome, err := src.receiver.Load().Receive(r, now)
	switch first := err == nil && outcome.Learned != ""; {
	case !first && !errors.Is(err, provider.ErrUnexpected): // nothing is handed over that is not known
		return outcome, err
	default:
		p := src.pairing.Load()
		if !p.opens(r.Query, now) {
			return provider.Outcome{}, fmt.Errorf("secret without the nonce of a pairing: %w", provider.ErrUnexpected)
		}
		if first {
			return outcome, nil
		}
		return p.receiver.Receive(r, now)
	}
}

// learn keeps a secret that the sender handed over, for all processes, and verifies with it from here on.
func (s *Server) learn(ctx context.Context, src *source, secret, nonce string, now time.Time) error {
	if s.learner == nil {
		return fmt.Errorf("%w: no store for the secret", errNotStored)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), groupcommit.Timeout)
	defer cancel()
	state, err := s.learner.Learn(ctx, src.name, config.NewSecret(secret), nonce, now)
	if errors.Is(err, sources.ErrNotPairing) {
		// Another process has learned one by this nonce, or an operator ended it, and this one has not heard of it yet.
		return errors.Join(src.refusal(provider.ErrUnexpected), src.know(state))
	}
	if err != nil {
		return fmt.Errorf("%w: storing the secret: %w", errNotStored, err)
	}
	s.log.Info("stored the secret that the sender handed over; show it with: jethook source secret "+src.name, "source", src.name)
	return src.know(state)
}

// know takes over what is known of the source.
func (src *source) know(state sources.State) error {
	src.mu.Lock()
	defer src.mu.Unlock()
	if state.Pairing.Until.IsZero() {
		src.pairing.Store(nil)
	} else {
		b := src.binding
		b.Secrets = nil
		receiver, err := src.bound(b)
		if err != nil {
			return fmt.Errorf("%s does not hand over a secret: %w", src.sender.Name, err)
		}
		src.pairing.Store(&pairing{state.Pairing, receiver})
	}
	src.learned = state.Secrets
	return src.bind()
}

// rewatch is the pause before the sources' bucket is watched anew.
const rewatch = time.Second

// Follow keeps the sources' secrets current with what other processes learn, until ctx ends. It returns at once
// where no source's sender hands secrets over.
func (s *Server) Follow(ctx context.Context) error {
	if s.learner == nil || !s.anyLearns() {
		return nil
	}
	for ctx.Err() == nil {
		err := s.learner.Watch(ctx, func(name string, state sources.State, err error) {
			src, ok := s.sources[name]
			if !ok { // of an earlier configuration
				return
			}
			if err == nil {
				err = src.know(state)
			}
			if err != nil {
				s.log.Error("cannot use the secrets that a sender handed over", "source", name, "error", err)
			}
		})
		if err == nil {
			return nil
		}
		s.log.Warn("cannot watch the sources' secrets; retrying", "error", err)
		select {
		case <-time.After(rewatch):
		case <-ctx.Done():
		}
	}
	return nil
}

func (s *Server) anyLearns() bool {
	for _, src := range s.sources {
		if src.sender.LearnsSecret() {
			return true
		}
	}
	return false
}
