package provider

import (
	"net/http"
	"strings"
	"testing"
)

// FuzzVerify shows that nothing a stranger sends verifies, or makes the code of any sender panic. Seeds are the
// samples of all senders, the vectors, and the absurd.
func FuzzVerify(f *testing.F) {
	all := samples()
	index := map[string]byte{}
	receivers := make([]*Receiver, len(all))
	for i, s := range all {
		index[s.sender] = byte(i)
		receivers[i] = stranger(f, s)
		// Signed by somebody who is not the one that is bound.
		by := s.secrets[0]
		if s.single {
			by = s.secrets[1]
		}
		r := s.send(by, s.body, at)
		f.Add(byte(i), r.Method, r.Query, r.Header.Get("Content-Type"), r.Header.Get(s.proof), r.Header.Get(s.timed), r.Body)
	}
	for _, v := range readVectors(f) {
		i, r := index[v.Preset], v.request(f)
		f.Add(i, r.Method, r.Query, r.Header.Get("Content-Type"), r.Header.Get(all[i].proof), r.Header.Get(all[i].timed), r.Body)
	}
	for _, absurd := range []string{"", "v1,", "t=,v1=", "=", ",,,", "Bearer ", "Basic ====", strings.Repeat("v1,AA ", 1000), "a.b.c", "\x00", "é"} {
		for i := range all {
			f.Add(byte(i), "POST", absurd, absurd, absurd, absurd, []byte(absurd))
		}
	}
	f.Fuzz(func(t *testing.T, n byte, method, query, contentType, proof, timed string, body []byte) {
		i := int(n) % len(all)
		s, rc := all[i], receivers[i]
		r := s.send(s.secrets[0], s.body, at)
		r.Method, r.Query, r.Body = method, query, body
		r.Header.Set("Content-Type", contentType)
		for name, value := range map[string]string{s.proof: proof, s.timed: timed} {
			if name != "" {
				r.Header[http.CanonicalHeaderKey(name)] = []string{value, value}[:1+len(body)%2]
			}
		}
		outcome, err := rc.Receive(r, at)
		switch {
		case err == nil && len(outcome.Events) > 0:
			t.Errorf("%s takes a stranger's events", s.sender)
		case err != nil && Reason(err) == otherReason:
			t.Errorf("%s: %v has no reason", s.sender, err)
		}
		rc.Sender.Event(r)
		rc.events(r)
		rc.Verifier.Signed(r)
	})
}

// stranger is the sample's sender bound to secrets that no seed is signed with, and that cannot be guessed.
func stranger(f *testing.F, s sample) *Receiver {
	const untold = "4b1f4c1e7f3d5a6e9c0b8d2a7e6f5c4d"
	secret := s.secrets[1]
	switch {
	case strings.HasPrefix(secret, "token-"), strings.HasPrefix(secret, "secret "):
		secret = untold
	case strings.HasPrefix(secret, "user:"):
		secret = "user:" + untold
	}
	row, _ := Lookup(s.sender)
	rc, err := row.Bind(Binding{Secrets: []string{secret}, Keys: s.keys})
	if err != nil {
		f.Fatal(err)
	}
	return rc
}
