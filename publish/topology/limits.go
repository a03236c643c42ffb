package topology

import (
	"fmt"
	"strings"

	"jethook/config"
)

// Limit is how much a stream may hold.
type Limit struct {
	Bytes    int64  // at most; -1: there is no limit
	Variable string // by which an operator changes it; empty: by none
	noted    string // of the setting that it follows, in the metadata; empty: it follows none
}

// drops are the streams whose oldest messages go when they are full, which loses nothing that is to be delivered.
var drops = map[string]bool{StreamOps: true, StreamHistory: true, StreamRejected: true}

// Limits are those of the streams, and of the streams behind the buckets, as Jethook makes them in a store that has so much room.
func Limits(cfg *config.Config, room Room) map[string]Limit {
	all := make(map[string]Limit)
	for _, s := range StreamConfigs(cfg, 0, room) {
		all[s.Name] = Limit{Bytes: s.MaxBytes, Variable: "JETHOOK_" + s.Name + "_MAX_BYTES", noted: s.Metadata[keyMaxBytes]}
	}
	ops := all[StreamOps]
	ops.Variable = ""
	all[StreamOps] = ops
	for _, bucket := range []string{BucketEndpoints, BucketCursors, BucketRecoveries, BucketSources} {
		all["KV_"+bucket] = Limit{Bytes: room.OfBucket(cfg), Variable: "JETHOOK_BUCKETS_MAX_BYTES"}
	}
	all["KV_"+BucketRequests] = Limit{Bytes: RequestsConfig(cfg.Replicas, room.Bytes).MaxBytes}
	all["KV_"+BucketRemoved] = Limit{Bytes: RemovedConfig(cfg, room.Bytes).MaxBytes}
	all[StreamBodies] = Limit{Bytes: room.Of(int64(cfg.BodiesMaxBytes), bodiesShare, cfg.Replicas), Variable: "JETHOOK_BODIES_MAX_BYTES"}
	return all
}

// Apply sets the limit in the configuration of a stream that holds so many bytes and comes from another store, unless an operator
// has set another one there. It fails if the stream holds more, and that must not be lost.
func (l Limit) Apply(stream string, holds int64, cfg, metadata map[string]any) error {
	if was, ok := metadata[keyMaxBytes].(string); ok {
		_, set, _ := strings.Cut(was, "/")
		if have, ok := cfg["max_bytes"].(float64); ok && set != fmt.Sprint(int64(have)) {
			return nil
		}
	}
	if l.Bytes > 0 && holds > l.Bytes && !drops[stream] {
		how := "the store there is too small"
		if l.Variable != "" {
			how = "raise " + l.Variable
		}
		return fmt.Errorf("%s holds %d bytes, and may hold %d there: %s", stream, holds, l.Bytes, how)
	}
	cfg["max_bytes"] = l.Bytes
	if l.noted != "" && metadata != nil {
		metadata[keyMaxBytes] = l.noted
	}
	return nil
}
