// Package pull takes messages off the streams, by the queues that all processes share and by consumers of single endpoints:
// those that want their events in order, and those that lag behind.
//
// A message that is handed out belongs to who took it until it is acknowledged; if that process dies, another one gets it
// after [topology.AckWait]. Nothing that a message says can end a request for messages, or lose others.
//
// It does not decide what becomes of a message.
package pull
