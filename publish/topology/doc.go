// Package topology names and makes Jethook's streams, their subjects, the buckets and the shared consumers, and lets them
// follow the settings.
//
// What is missing is made, and what Jethook made changes with the settings. What an operator made or changed stays as it is;
// if a guarantee would break under it, that is an error, [ErrStreamMismatch], which names all such differences at once.
//
// It neither reads nor writes messages.
package topology
