// Package event is one event as it lies on the bus: its id, type, source, headers and body, and how a message holds them.
//
// Encoding and decoding keep the sender's bytes as they came. A header that steers the server or Jethook is never the
// sender's. Whatever a message says, decoding it ends in an event, with an id and a type that can stand in a subject.
//
// It neither reads nor writes streams.
package event
