// Package connection is the way to a NATS server: how Jethook logs in, notices that a server is frozen or cut off, changes
// to another one, and waits for a cluster that can't serve yet.
//
// A [Conn] comes back by itself for ever. Meanwhile nothing is buffered, so that what is sent fails at once, and whoever
// waits for an answer that cannot come any more learns it by [Conn.Lost].
//
// It does not know what is stored, or where.
package connection
