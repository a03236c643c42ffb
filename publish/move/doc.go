// Package move moves the embedded server's store to a cluster while senders and services go on storing in it.
//
// # The order
//
//   - The cluster is prepared as for a restore: nothing runs on it, it holds nothing that was not given up, and it is marked so that
//     nothing starts from it.
//   - The store is marked ([jethook/publish/moving]). Its processes finish the deliveries in flight and say that they have;
//     they change nothing any more but by what they receive. The mark outlives them.
//   - Everything is copied by a backup that is a restore's input.
//   - The mark says that the cluster has all, and where each stream ended. Then the cluster's own mark goes, and deliveries go on
//     there.
//   - What was stored behind those ends, and still is, is forwarded by a durable consumer of each stream.
//   - When nobody serves the store any more and nothing is left to forward, the store is marked as moved.
//
// # Why nothing is lost, and nothing comes twice
//
// Only one side delivers. The mark is stored before anything is copied, and what copies waits until each process has answered that its
// engine has stopped; so what is copied does not change, and the consumers, the cursors and the outcomes are those of one moment. The
// cluster begins to deliver after the store's mark can't be taken back any more ([Cancel] and a mark that is not the last one are
// refused by the place of the last one).
//
// A snapshot of a stream holds what lies up to the last place when it began, and nothing behind, so the forwarded begin where the
// copied end. Whoever stores meanwhile is a sender, by ingest, or a service: they write to WEBHOOKS (and the bodies beside it), EVENTS,
// REJECTED, and, by a handshake that an operator has allowed before, to the bucket of the sources. All else is written by the engine and
// by the admin API, which both wait.
//
// A message leaves its consumer after the cluster has acknowledged it. A move that is killed in between forwards it again, with the same
// Nats-Msg-Id, and the cluster drops the copy: the sender's id, so that a sender which sends again to the cluster is
// recognized too, or else the message's place. Two messages of one id that both lie in the store, since more time than the window was
// between them, come faster one after the other now: the cluster's answer names the message that it has, and that one's place
// tells whether it is the same. An event that has its id from its place keeps that id.
//
// # Kills
//
// Before the cluster has all, the move is done anew, and the cluster's streams are replaced. What merely fails is taken back, so that
// deliveries never wait for an operator who does not know. A kill between the two marks leaves a cluster with the move's id in the
// metadata of WEBHOOKS, which is then finished; another cluster is refused.
//
// A process that serves the store may crash and come back: its place is kept free until somebody receives on the cluster. Then
// the move takes the data directory itself, which nobody else can use meanwhile, forwards the rest, and marks it.
//
// What is copied under a load of received webhooks costs them nothing but the disk's time. What is not kept: the order of two events
// that the cluster did not take at first, and what a service's consumer here acknowledged after the copy, which it gets again there.
package move
