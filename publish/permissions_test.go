package publish_test

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"jethook/publish"
	"jethook/publish/bustest"
)

// A request of the start that the server refuses ends the start at once, and is named.
func TestRefusedRequestEndsTheStart(t *testing.T) {
	t.Parallel()
	for _, request := range []string{
		"INFO", "STREAM.INFO.>", "STREAM.CREATE.>", "STREAM.CREATE.HISTORY", "STREAM.CREATE.KV_jethook_cursors",
	} {
		t.Run(request, func(t *testing.T) {
			t.Parallel()
			url := bustest.NATSServer(t, func(o *server.Options) {
				o.Users = []*server.User{{Username: "jethook", Password: "secret", Permissions: &server.Permissions{
					Publish: &server.SubjectPermission{Deny: []string{"$JS.API." + request}},
				}}}
			})
			cfg := onCluster(strings.Replace(url, "nats://", "nats://jethook:secret@", 1))
			cfg.Replicas = 1
			var log bytes.Buffer
			b, err := publish.Open(t.Context(), cfg, slog.New(slog.NewTextHandler(&log, nil)))
			if err == nil {
				b.Close()
				t.Fatal("it starts")
			}
			if !errors.Is(err, nats.ErrPermissionViolation) || !strings.Contains(err.Error(), "may not publish to $JS.API."+strings.TrimSuffix(request, ">")) {
				t.Errorf("got %v", err)
			}
			if strings.Contains(log.String(), "waiting for") {
				t.Errorf("it waits:\n%s", &log)
			}
		})
	}
}
