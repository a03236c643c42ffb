package main

import (
	"jethook/config"
	"jethook/consume/admin/sources"
	"jethook/ingest/provider"
)

// verifications says how each source is verified. What is wrong with a source is told elsewhere.
func verifications(configured []config.Source) map[string]sources.Verification {
	all := make(map[string]sources.Verification, len(configured))
	for _, c := range configured {
		sender, _ := provider.Build(c.Provider, provider.Options{
			Header: c.Header, Algorithm: c.Algorithm, Encoding: c.Encoding, Type: c.Type, ID: c.ID,
		})
		if sender.Scheme != nil {
			all[c.Name] = sources.Verification{
				VerifiedBy: sender.Scheme.String(), CoversBody: sender.Scheme.CoversBody(), Learns: sender.LearnsSecret(),
				NotCovered: sender.NotCovered(), Caveat: sender.Caveat, BodySecrets: sender.BodySecrets,
			}
		}
	}
	return all
}
