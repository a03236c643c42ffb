// Package embedded runs the built-in nats-server on a data directory, and is all that knows the server's private files:
// its streams' folders, its batch directories, the key and the encryption of its store.
//
// While a [Server] runs, no other process has the data directory. A store is only ever started with the right key, and a
// kill at any moment, also during an encryption or a restore, leaves a store that the next start goes on with. Tests pin
// each private format, so that a new version of the server that changes one fails them.
//
// It knows neither streams nor messages: what is stored is for those who connect.
package embedded
