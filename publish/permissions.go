package publish

import (
	"context"

	"jethook/config"
	"jethook/publish/processes"
	"jethook/publish/topology"
)

// Purposes of the connections without which nothing is received or delivered.
const (
	purposeEvents     = "events"
	purposeDeliveries = "deliveries"
)

// needs are the subjects that something cannot work without; as patterns, of which a part may be enough.
type needs struct{ publish, subscribe []string }

// needed is what every process needs.
var needed = needs{
	publish:   []string{"_INBOX.>", processes.Subjects},
	subscribe: []string{"_INBOX.>", processes.Subjects},
}

// MayReceive returns an error that names all that the cluster's login lacks to store webhooks of the sources.
func (b *Bus) MayReceive(ctx context.Context, cfg *config.Config) error {
	var n needs
	for _, s := range cfg.Sources {
		n.publish = append(n.publish, topology.WebhooksPrefix+s.Name+".>")
	}
	if cfg.RejectedMaxBytes > 0 {
		n.publish = append(n.publish, topology.RejectedPrefix+">")
	}
	if cfg.LargeBodies {
		n.publish = append(n.publish, "$O."+topology.BucketBodies+".>")
	}
	return b.permitted(ctx, n)
}

// MayDeliver returns an error that names all that the cluster's login lacks to deliver events.
func (b *Bus) MayDeliver(ctx context.Context) error {
	n := needs{publish: []string{
		"$JS.ACK.>", "$KV." + topology.BucketEndpoints + ".>", "$KV." + topology.BucketCursors + ".>",
		b.front.API("CONSUMER.MSG.NEXT.>"), b.front.API("CONSUMER.CREATE.>"),
	}}
	for _, prefix := range []string{
		topology.EventsPrefix, topology.OpsPrefix, topology.DuePrefix, topology.RetryPrefix, topology.DeadPrefix,
		topology.HistoryPrefix, topology.AuditPrefix,
	} {
		n.publish = append(n.publish, prefix+">")
	}
	return b.permitted(ctx, n)
}

func (b *Bus) permitted(ctx context.Context, n needs) error {
	if b.srv != nil {
		return nil
	}
	return b.front.Permitted(ctx, n.publish, n.subscribe)
}

// Guard returns a context that ends when the cluster refuses something to this process, and what releases it, which returns
// an error that names what was refused.
func (b *Bus) Guard(ctx context.Context) (guarded context.Context, release func() error) {
	guarded, end := b.shared.Guard(ctx)
	return guarded, func() error {
		end()
		return b.shared.Err()
	}
}
