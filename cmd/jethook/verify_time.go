package main

import (
	"time"

	"jethook/ingest/provider"
)

// otherTimes says what is wrong with the time of a request that is refused for that alone.
func (a *sample) otherTimes(sender provider.Sender) []string {
	then := *a
	then.now = time.Time{} // when the request says that it was made
	if !then.verifies() {
		return nil
	}
	signed, _ := sender.SignedAt(&provider.Request{Method: a.method, URL: a.source.URL, Query: a.query, Header: a.header, Body: a.body})
	switch off := signed.Sub(a.now); {
	case near(time.UnixMilli(signed.Unix()), a.now):
		return []string{"The timestamp is in milliseconds, but the provider uses seconds. The signature is valid."}
	case near(time.Unix(signed.UnixMilli(), 0), a.now):
		return []string{"The timestamp is in seconds, but the provider uses milliseconds. The signature is valid."}
	case off > 0:
		return []string{"It verifies at its own timestamp, which is " + off.Round(time.Second).String() + " ahead of --now."}
	default:
		return []string{"It verifies at its own timestamp, which is " + (-off).Round(time.Second).String() + " behind --now."}
	}
}

// near is enough to tell a unit by: the next one is decades off.
func near(t, now time.Time) bool {
	const month = 31 * 24 * time.Hour
	return t.Sub(now).Abs() < month
}
