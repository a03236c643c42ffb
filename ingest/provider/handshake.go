package provider

// Handshake is a kind of request in which the sender asks something, and which is no event.
type Handshake struct {
	Name string // in the sender's words
	// Signed means that it is answered only if the request verifies.
	Signed bool
	// Learns means that it hands over the secret.
	Learns bool

	// ask returns the reply if r is this handshake, nil if not.
	ask func(r *Request, secrets []string) (*reply, error)
}

// reply is what a handshake comes to.
type reply struct {
	answer  Answer
	learned string
	confirm string
}
