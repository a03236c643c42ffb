package consume

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/nats-io/nuid"

	"jethook/publish"
)

// announceDeath publishes that a delivery is dead, unless it was itself an operational event: an endpoint
// that can't take those must not cause more of them.
func (e *Engine) announceDeath(d *publish.Delivery) {
	if strings.HasPrefix(d.Event.Subject, publish.OpsPrefix) {
		return
	}
	e.announce("delivery.dead", map[string]any{
		"delivery": d.ID(), "endpoint": d.Endpoint, "event_id": d.Event.ID, "type": d.Event.Type,
		"subject": d.Event.Subject, "attempts": d.Attempt, "reason": d.Reason,
	})
}

// announce publishes an operational event on jethook.ops.<kind>. It does not wait: an announcement that can't
// be stored is logged, and what it is about is not held up.
func (e *Engine) announce(kind string, data map[string]any) {
	now := time.Now().UTC()
	id := nuid.Next()
	body, err := json.Marshal(map[string]any{
		"specversion": "1.0", "id": id, "source": "jethook", "type": publish.OpsPrefix + kind,
		"time": now.Format(time.RFC3339Nano), "data": data,
	})
	if err != nil {
		e.log.Error("operational event not published", "kind", kind, "error", err)
		return
	}
	event := &publish.Event{
		ID: id, Type: publish.OpsPrefix + kind, Subject: publish.OpsPrefix + kind, Received: now,
		ContentType: "application/json", Body: body,
	}
	e.unsaved.Go(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(e.flight), 5*time.Second)
		defer cancel()
		if _, err := e.bus.Publish(ctx, event); err != nil {
			e.log.Warn("operational event not published", "kind", kind, "error", err)
		}
	})
}
