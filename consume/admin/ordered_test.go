package admin_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"jethook/publish/pull"
	"jethook/publish/topology"
)

// The bus knows what an ordered endpoint listens to before the answer leaves, so that no event published after
// it is missed.
func TestOrderedEndpoint(t *testing.T) {
	t.Parallel()
	a := start(t)
	e := a.create(strings.TrimSuffix(minimal, "}") + `,"ordered":true}`)
	path := "/api/v1/endpoints/" + e.ID
	if got := a.do("GET", path, ""); !e.Ordered || !strings.Contains(got.body, `"ordered":true`) {
		t.Errorf("got %s", got.body)
	}
	if got := a.do("PATCH", path, `{"ordered":false}`); got.status != http.StatusUnprocessableEntity || !slices.Equal(got.fields(), []string{"ordered"}) {
		t.Errorf("false: %d %s", got.status, got.body)
	}
	if got := a.do("PATCH", path, `{"ordered":true,"events":["webhooks.>"]}`); got.status != http.StatusOK {
		t.Errorf("unchanged: %d %s", got.status, got.body)
	}
	for _, stream := range []string{topology.StreamEvents, topology.StreamWebhooks} {
		if ids, err := a.bus.Consumers().Ordered(t.Context(), stream); err != nil || !slices.Equal(ids, []pull.Own{{Stream: stream, Endpoint: e.ID}}) {
			t.Errorf("%s: consumers of %v, %v", stream, ids, err)
		}
	}
}

func TestOrderedIsOnlyForNewEndpoints(t *testing.T) {
	t.Parallel()
	a := start(t)
	path := "/api/v1/endpoints/" + a.create(minimal).ID
	for _, body := range []string{`{"ordered":true}`, `{"ordered":null}`} {
		if got := a.do("PATCH", path, body); got.status != http.StatusUnprocessableEntity || !slices.Equal(got.fields(), []string{"ordered"}) {
			t.Errorf("%s: %d %s", body, got.status, got.body)
		}
	}
	if got := a.do("GET", path, ""); strings.Contains(got.body, "ordered") {
		t.Errorf("got %s", got.body)
	}
}
