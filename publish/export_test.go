package publish

// Silence cuts the connection on which the bus answers other processes, as a kill does: without a word.
func (b *Bus) Silence() { b.reads.Conn.Close() }
