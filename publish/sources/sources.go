package sources

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"jethook/config"
	"jethook/config/keyring"
	"jethook/publish/failure"
	"jethook/publish/seal"
	"jethook/publish/topology"
)

// State is what is known of a source beyond its settings. Some senders choose the secret themselves and hand
// it over in their first request.
type State struct {
	Secrets []LearnedSecret // the newest first
	Pairing Pairing         // by which another one is taken
}

// Pairing is an operator's leave to hand one secret over. Anyone can send such a request, so the sender must show a nonce,
// which stands in the address that the operator gives it. The zero Pairing takes nothing.
type Pairing struct {
	Until time.Time
	sum   []byte // SHA-256 of the nonce
}

// Opens reports whether a secret that comes with the nonce is taken. It compares in constant time.
func (p *Pairing) Opens(nonce string, now time.Time) bool {
	sum := sha256.Sum256([]byte(nonce))
	return subtle.ConstantTimeCompare(sum[:], p.sum) == 1 && now.Before(p.Until)
}

// LearnedSecret is a secret that a sender handed over.
type LearnedSecret struct {
	Value config.Secret
	At    time.Time
}

// maxLearned bounds the secrets of one source; beyond it the oldest go. Asana has one for each webhook.
const maxLearned = 50

// Sources is a bucket with the state of each source that has one, sealed if there is a key. All processes share it.
type Sources struct {
	kv    jetstream.KeyValue
	ring  *keyring.Keyring
	seals *seal.Seals
	bad   *seal.BadRecords
	log   *slog.Logger

	followed atomic.Bool // this process needs what the bucket holds
}

// Open opens the bucket, and makes it if it is missing.
func Open(ctx context.Context, js jetstream.JetStream, cfg *config.Config, room topology.Room, log *slog.Logger) (*Sources, error) {
	ring, err := keyring.New(cfg.EncryptionKeys)
	if err != nil {
		return nil, err
	}
	kv, err := topology.EnsureBucket(ctx, js, jetstream.KeyValueConfig{
		Bucket: topology.BucketSources, Description: "secrets that senders handed over",
		Storage: jetstream.FileStorage, Replicas: cfg.Replicas, MaxBytes: room.OfBucket(cfg),
	})
	if err != nil {
		return nil, err
	}
	s := &Sources{kv: seal.Sealable(kv, js), ring: ring, bad: seal.NewBadRecords(topology.BucketSources, log), log: log}
	s.seals, err = seal.Open(ctx, s.kv, ring, log)
	return s, err
}

// Get returns a source's state; the zero one if nothing is known. Errors wrap [ErrUnavailable], or say that it can't
// be read with the keys that are set.
func (s *Sources) Get(ctx context.Context, source string) (State, error) {
	state, _, err := s.get(ctx, source)
	return state, err
}

func (s *Sources) get(ctx context.Context, source string) (State, uint64, error) {
	entry, err := s.kv.Get(ctx, source)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return State{}, 0, nil
	}
	if err != nil {
		return State{}, 0, fmt.Errorf("reading the state of source %s: %w", source, failure.Classify(err))
	}
	state, err := s.read(entry)
	return state, entry.Revision(), err
}

// ErrNotPairing means that no operator expects a secret with that nonce.
var ErrNotPairing = errors.New("the source takes no other secret")

// Learn keeps a secret that a sender handed over with the nonce of the source's pairing, which ends with that; else the
// error wraps [ErrNotPairing] and comes with the state. A secret that is known needs no nonce. That is decided here since
// the caller may not know yet what other processes, or an earlier one, have learned.
func (s *Sources) Learn(ctx context.Context, source string, secret config.Secret, nonce string, now time.Time) (State, error) {
	if _, err := s.ring.Open(secret.Reveal(), place(source)); !errors.Is(err, keyring.ErrNotSealed) {
		return State{}, fmt.Errorf("source %s: the secret has the form of a sealed one", source)
	}
	return s.update(ctx, source, func(state *State) error {
		switch known := slices.ContainsFunc(state.Secrets, func(known LearnedSecret) bool {
			return subtle.ConstantTimeCompare([]byte(known.Value.Reveal()), []byte(secret.Reveal())) == 1
		}); {
		case known:
			return errUnchanged
		case !state.Pairing.Opens(nonce, now):
			return fmt.Errorf("source %s: %w", source, ErrNotPairing)
		}
		state.Pairing = Pairing{}
		state.Secrets = slices.Insert(state.Secrets, 0, LearnedSecret{secret, now.UTC()})
		state.Secrets = state.Secrets[:min(len(state.Secrets), maxLearned)]
		return nil
	})
}

// Pair lets the source take one more secret until then, from whoever shows the nonce that is returned. One that was
// given before opens nothing from here on.
func (s *Sources) Pair(ctx context.Context, source string, until time.Time) (nonce string, err error) {
	nonce = rand.Text()
	sum := sha256.Sum256([]byte(nonce))
	_, err = s.update(ctx, source, func(state *State) error {
		state.Pairing = Pairing{Until: until.UTC(), sum: sum[:]}
		return nil
	})
	return nonce, err
}

// Forget removes the secrets that the source has learned, also those that can't be read, and ends its pairing.
func (s *Sources) Forget(ctx context.Context, source string) error {
	_, err := s.change(ctx, source, func(state *State, _ error) error {
		*state = State{}
		return nil
	})
	return err
}

// errUnchanged ends an update that has nothing to store.
var errUnchanged = errors.New("nothing to change")

// update stores a changed state. One that can't be read stays as it is: the next handshake must not replace it.
func (s *Sources) update(ctx context.Context, source string, change func(*State) error) (State, error) {
	return s.change(ctx, source, func(state *State, unreadable error) error {
		if unreadable != nil {
			return unreadable
		}
		return change(state)
	})
}

func (s *Sources) change(ctx context.Context, source string, change func(*State, error) error) (State, error) {
	if err := s.seals.Wrong(); err != nil {
		return State{}, fmt.Errorf("changing the state of source %s: %w", source, err)
	}
	for {
		state, revision, err := s.get(ctx, source)
		if err != nil && !errors.Is(err, seal.ErrUnreadable) {
			return state, err
		}
		switch err := change(&state, err); {
		case errors.Is(err, errUnchanged):
			return state, nil
		case err != nil:
			return state, err
		}
		data, err := s.encode(source, state)
		if err != nil {
			return state, err
		}
		if revision == 0 {
			_, err = s.kv.Create(ctx, source, data)
		} else {
			_, err = s.kv.Update(ctx, source, data, revision)
		}
		switch {
		case err == nil:
			s.bad.Note(source, nil)
			return state, nil
		case errors.Is(err, jetstream.ErrKeyExists), errors.Is(err, jetstream.ErrKeyRevisionMismatch): // somebody was faster
		default:
			return state, fmt.Errorf("storing the state of source %s: %w", source, failure.Classify(err))
		}
	}
}

// Watch tells of the state of every source that has one, and of each change, until ctx ends. A state that can't be
// read is told as an error with its source's name. When it is first called, it seals what is not sealed.
func (s *Sources) Watch(ctx context.Context, changed func(source string, state State, err error)) error {
	if !s.followed.Load() {
		if err := s.sealAll(ctx); err != nil {
			return err
		}
		s.followed.Store(true)
	}
	w, err := s.kv.WatchAll(ctx)
	if err != nil {
		return fmt.Errorf("watching the sources' bucket: %w", failure.Classify(err))
	}
	defer w.Stop()
	for {
		select {
		case entry, ok := <-w.Updates():
			if !ok {
				return fmt.Errorf("%w: the watch of the sources' bucket ended", failure.ErrUnavailable)
			}
			if entry != nil && entry.Operation() == jetstream.KeyValuePut {
				state, err := s.read(entry)
				changed(entry.Key(), state, err)
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// storedState is how the bucket holds a state. Earlier releases had a time "pair_until" in the place of the pairing, until
// when any secret was taken: it opens nothing.
type storedState struct {
	Secrets []storedSecret `json:"secrets,omitempty"`
	Pairing *storedPairing `json:"pairing,omitempty"`
}

type storedPairing struct {
	Nonce []byte    `json:"nonce_sha256"`
	Until time.Time `json:"until"`
}

type storedSecret struct {
	Value string    `json:"value"`
	At    time.Time `json:"at"`
}

// place is what each of a source's secrets was sealed for before records were sealed whole.
func place(source string) string { return "source " + source }

func (s *Sources) encode(source string, state State) ([]byte, error) {
	var st storedState
	if !state.Pairing.Until.IsZero() {
		st.Pairing = &storedPairing{state.Pairing.sum, state.Pairing.Until}
	}
	for _, secret := range state.Secrets {
		st.Secrets = append(st.Secrets, storedSecret{secret.Value.Reveal(), secret.At})
	}
	data, err := json.Marshal(st)
	if err != nil {
		return nil, fmt.Errorf("encoding the state of source %s: %w", source, err)
	}
	return s.sealRecord(source, data), nil
}

func (s *Sources) decode(source string, data []byte) (State, error) {
	data, whole, err := s.openRecord(source, data)
	if err != nil {
		return State{}, err
	}
	var st storedState
	if json.Unmarshal(data, &st) != nil {
		return State{}, errors.New("it is not JSON of the right form")
	}
	if len(st.Secrets) > maxLearned {
		return State{}, fmt.Errorf("it has more than %d secrets", maxLearned)
	}
	var state State
	if st.Pairing != nil {
		state.Pairing = Pairing{Until: st.Pairing.Until, sum: st.Pairing.Nonce}
	}
	for _, secret := range st.Secrets {
		plain := []byte(secret.Value)
		if opened, err := s.ring.Open(secret.Value, place(source)); !whole && !errors.Is(err, keyring.ErrNotSealed) {
			if err != nil {
				return State{}, fmt.Errorf("opening a secret: %w", err)
			}
			plain = opened
		}
		state.Secrets = append(state.Secrets, LearnedSecret{config.NewSecret(string(plain)), secret.At})
	}
	return state, nil
}
