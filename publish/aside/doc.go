// Package aside keeps the bodies of webhooks that fit into no message in an object store, beside their events.
//
// The body comes first, so that an event never refers to what was not stored; and a body that is read is the one that came,
// or an error. What belongs to no event, since the process was killed in between, goes with the bucket's age.
//
// It stores no events.
package aside
