// Package sources keeps what senders hand over: the secrets that they choose themselves, by source, in a bucket that all
// processes share.
//
// A secret is only taken with the nonce of an operator's pairing, once, or if it is known. If there is a key, all records are
// sealed. It does not verify requests.
package sources
