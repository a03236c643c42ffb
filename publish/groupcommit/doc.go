// Package groupcommit stores messages in one stream by group commit: what waits while one batch is being stored forms the
// next one, so that under load one fsync pays for hundreds of messages, and a lone message waits for nothing.
//
// Each message is answered exactly once: with its place, as a duplicate, or with an error of package failure. A group is
// stored all or none. What got no answer may be stored all the same; storing it again under its id is safe.
//
// It does not try again, and it does not know what is in a message.
package groupcommit
