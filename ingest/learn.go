package ingest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"jethook/config"
	"jethook/ingest/fetch"
	"jethook/ingest/provider"
	"jethook/publish/groupcommit"
	"jethook/publish/sources"
)

// Learner keeps what senders hand over; *publish.Sources is one.
type Learner interface {
	// Learn returns what is known of the source, once the secret is kept, or with publish.ErrNotPairing.
	Learn(ctx context.Context, source string, secret config.Secret, nonce string, now time.Time) (sources.State, error)
	// Watch tells what is known of each source, and of changes, until ctx ends.
	Watch(ctx context.Context, changed func(source string, state sources.State, err error)) error
}

// learn keeps a secret that the sender handed over, for all processes, and verifies with it from here on.
func (s *Server) learn(ctx context.Context, src *reception, secret, nonce string, now time.Time) error {
	if s.learner == nil {
		return fmt.Errorf("%w: no store for the secret", errNotStored)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), groupcommit.Timeout)
	defer cancel()
	state, err := s.learner.Learn(ctx, src.Name, config.NewSecret(secret), nonce, now)
	if errors.Is(err, sources.ErrNotPairing) {
		// Another process has learned one by this nonce, or an operator ended it, and this one has not heard of it yet.
		return errors.Join(src.Refusal(provider.ErrUnexpected), src.Know(state))
	}
	if err != nil {
		return fmt.Errorf("%w: storing the secret: %w", errNotStored, err)
	}
	s.log.Info("stored the secret that the sender handed over; show it with: jethook source secret "+src.Name, "source", src.Name)
	return src.Know(state)
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
				err = src.Know(state)
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
		if src.Sender.LearnsSecret() {
			return true
		}
	}
	return false
}

// Renew makes the sources verify with the secrets that they have in the given configuration, from the next request on; nothing
// else of it is looked at. [Check] must have found nothing wrong with it.
func (s *Server) Renew(sources []config.Source) error {
	var failed []error
	for i := range sources {
		if src, ok := s.sources[sources[i].Name]; ok {
			if err := src.Renew(&sources[i]); err != nil {
				failed = append(failed, fmt.Errorf("source %s: %w", src.Name, err))
			}
		}
	}
	return errors.Join(failed...)
}

// errNotConfirmed means that the address that ends a handshake did not answer.
var errNotConfirmed = errors.New("handshake not confirmed")

// confirm asks for an address of the sender's, which ends a handshake. A sender that hangs up meanwhile does not
// stop it.
func (s *Server) confirm(ctx context.Context, address string) error {
	if _, err := fetch.Ask(context.WithoutCancel(ctx), s.web, http.MethodGet, address, http.NoBody); err != nil {
		return fmt.Errorf("%w: %w", errNotConfirmed, err)
	}
	return nil
}
