// Package query reads what is stored: it counts selections of a stream, reads them forward and in reverse, and finds
// messages by their place, their subject or a key at the end of it.
//
// A page is bounded in bytes. What can't be read is passed over, and never ends a list. Answers may come from a replica that
// lags behind the stream's leader.
//
// It does not know what a message means, and it writes nothing.
package query
