package sources

import (
	"context"

	"jethook/config/keyring"
	"jethook/publish/seal"
)

// SealAll is what Watch does when it is first called.
func (s *Sources) SealAll(ctx context.Context) error {
	s.followed.Store(true)
	return s.sealAll(ctx)
}

// DecodeSource decodes a record of the sources' bucket.
func (s *Sources) DecodeSource(source string, data []byte) (State, error) {
	return s.decode(source, data)
}

// EncodeSource encodes one.
func (s *Sources) EncodeSource(source string, state State) ([]byte, error) {
	return s.encode(source, state)
}

// NewSources returns sources without a bucket.
func NewSources(keys *keyring.Keyring, sealedOnly bool) *Sources {
	s := &Sources{ring: keys, seals: seal.New(keys)}
	if sealedOnly {
		s.seals.Require()
	}
	return s
}
