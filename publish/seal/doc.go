// Package seal keeps what is in a bucket from who has not the key, and from who may only write to it.
//
// Once a bucket is marked, each record is sealed whole, for its own place, and one that is not is refused. A record that can't
// be read is logged once and reported, and never replaced by accident.
//
// It does not encrypt the store; package embedded does.
package seal
