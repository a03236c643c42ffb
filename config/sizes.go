package config

import "jethook/config/quantity"

// minStreamBytes is the least that a stream is worth.
const minStreamBytes = quantity.Bytes(1 << 20)

// checkSizes refuses streams in which hardly anything fits.
func checkSizes(p *Problems, c *Config) {
	for variable, size := range map[string]quantity.Bytes{
		"JETHOOK_WEBHOOKS_MAX_BYTES": c.WebhooksMaxBytes, "JETHOOK_EVENTS_MAX_BYTES": c.EventsMaxBytes,
		"JETHOOK_DELIVERIES_MAX_BYTES": c.DeliveriesMaxBytes, "JETHOOK_AUDIT_MAX_BYTES": c.AuditMaxBytes,
		"JETHOOK_BUCKETS_MAX_BYTES": c.BucketsMaxBytes, "JETHOOK_BODIES_MAX_BYTES": c.BodiesMaxBytes,
	} {
		p.require(size == 0 || size >= minStreamBytes, variable, "%s is too little: choose 0 for no limit, or %s or more", size, minStreamBytes)
	}
	p.require(c.DeadMaxBytes >= minStreamBytes, "JETHOOK_DEAD_MAX_BYTES", "%s is too little: choose %s or more", c.DeadMaxBytes, minStreamBytes)
}
