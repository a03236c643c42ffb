// Package backup copies Jethook's streams and buckets into one file, and back, while Jethook goes on working. It reads and
// writes them by JetStream's snapshots, so it needs nothing of the servers' disks, and works for the embedded server and for
// a cluster alike.
//
// # What a backup holds
//
// All that was acknowledged before the backup began. After a restore each delivery of these events is in one state, and
// ends in one: waiting deliveries fire at their times, consumers go on where they stood, dead letters are dead. What changed
// while the backup ran may be in it or not, and an event that was delivered while it ran may be delivered again, with the same
// id. The settings, the admin tokens and the key of JETHOOK_ENCRYPTION_KEY are not in it.
//
// # Why nothing falls in between
//
// A snapshot is no picture of one moment: the server notes the last sequence and then reads one message after the other. So
// what is removed meanwhile is missing, and when a message replaces another one on its subject, both are. And streams are
// read one after the other. The order makes up for that, with three rules.
//
// First, whoever moves something stores it in the new place before it removes it from the old one (a kill at any moment
// asks for that anyway), and whoever decides trusts what is recorded. So the source of a move must be read before its target;
// then each thing is found at least once, and a thing that is found twice is what a killed process leaves as well, which the
// engine sets right: it looks for outcomes when a message may have been handed out before.
//
//   - The events come before all outcomes. What an event's consumer has acknowledged has its outcome, and what has an outcome
//     later is not acknowledged in the backup.
//   - DELIVERIES and DEAD come before HISTORY: a delivery that left them was delivered, and the history says so.
//   - What was removed for good ([topology.BucketRemoved]) comes before DEAD: a dead letter that is replayed is noted there once
//     it waits again, and would else be removed from a backup that has it only as a dead letter.
//   - Endpoints, the secrets of sources, recoveries and remembered requests come first: a recovery or a request must not seem
//     done whose effect is not in the backup.
//   - Large bodies come last, since events, deliveries and dead letters refer to them.
//
// Second, between DELIVERIES and DEAD things move both ways: a delivery dies, a dead letter is replayed. And within
// DELIVERIES a schedule fires, which stores a new message and removes the old. So the consumer of due deliveries is paused
// (by a date, so that it ends by itself if the backup is killed) while both are read; and then what was stored since
// is read in rounds, from DELIVERIES and then from DEAD, and stored again after the snapshot in the same order, as if it
// happened once more. A thing is missing only if it moved in each round. While the consumer is paused, that can't be: what a
// process holds already can fail once (and wait, or die), wait for its time and come due; what is dead can be replayed and be
// due; what is due stays. That is at most three moves, and there are four rounds. First attempts only add to both. Buckets are
// followed in the same rounds, since a record is replaced when it changes.
//
// Third, the record of an endpoint's cursor and the consumers of the events' streams together say who delivers an event. They
// are read together: the records, then how far each consumer is, and then whether a record has changed meanwhile; if so, again.
// The streams themselves are read later: consumers that stand further back only bring some events again.
//
// Places in the streams of events are names: receivers remember ids that are made of them. So a restored EVENTS goes on at the
// present microsecond, as a new one begins, and the other streams leave a gap.
//
// # Clusters
//
// A restore waits for a cluster as a start does, but not for ever ([connection.Patience]): until its servers have formed, and until each
// stream has a place and a leader. One server takes a stream's snapshot, and what it was told is nowhere else until it has all of
// it. If it goes away before, [stores.Restoring.Attempt] begins anew.
//
// # The file
//
// A tar archive. Each part is cut into entries of at most 4 MiB, since a part's size is not known when it begins; put
// together, those of NAME/snapshot are what 'nats stream restore' takes. The last entry, manifest.json, names all parts
// with their SHA-256, so that a file that was cut off is never taken for whole. Under its name a file is whole: it is written
// beside it and renamed.
package backup
