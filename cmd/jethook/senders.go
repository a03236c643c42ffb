package main

import (
	"jethook/config"
	"jethook/consume/admin"
	"jethook/ingest/provider"
)

// verifications says how each source is verified. What is wrong with a source is told elsewhere.
func verifications(sources []config.Source) map[string]admin.Verification {
	all := make(map[string]admin.Verification, len(sources))
	for _, c := range sources {
		sender, _ := provider.Build(c.Provider, provider.Options{
			Header: c.Header, Algorithm: c.Algorithm, Encoding: c.Encoding, Type: c.Type, ID: c.ID,
		})
		if sender.Scheme != nil {
			all[c.Name] = admin.Verification{
				VerifiedBy: sender.Scheme.String(), CoversBody: sender.Scheme.CoversBody(), Learns: sender.LearnsSecret(),
				NotCovered: sender.NotCovered(), Caveat: sender.Caveat, BodySecrets: sender.BodySecrets,
			}
		}
	}
	return all
}
