// Package rehearsal finds out whether the work on a message ends the process that does it, by having a child process
// do it first: decode the message, and make of it the request that an endpoint would get.
//
// How often a message was handed out is no evidence against it: processes are stopped, killed and cut off for reasons
// of their own, and hold thousands of messages then. A child that is fed one message at a time, and dies of it twice, is.
// So nothing has to be written down before a message is worked on, and a process can be killed at any moment
// without an innocent message being blamed. The child sends nothing, has no connection, and is told no secret.
package rehearsal

import (
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"

	"jethook/config"
	"jethook/consume/attempt"
	"jethook/consume/endpoint"
	"jethook/consume/endpoint/signing"
	"jethook/publish/crashpoint"
	"jethook/publish/delivery"
	"jethook/publish/event"
	"jethook/publish/query"
	"jethook/publish/topology"
)

// Stage is a part of the work on a message: Read, or Form of an endpoint's format.
type Stage string

// Read is decoding the message.
const Read Stage = "read"

// ready is what a child says when it can begin.
const ready Stage = "ready"

// Form is making the request of the message that an endpoint with this format gets.
func Form(f endpoint.Format) Stage { return Stage("form " + f) }

// Message is a message as the bus gave it.
type Message struct {
	Stream, Subject string
	Seq             uint64
	Time            time.Time // when it was stored
	Header          nats.Header
	Data            []byte
}

// request asks a child to rehearse stages of a message. It answers each one that it has survived.
type request struct {
	Message Message
	Stages  []Stage
}

// maxStack bounds a goroutine in a child, where Go's own bound is 1 GB: a child that goes the way of its parent must
// not take the memory of the machine with it. Work on a message needs some megabytes at most.
const maxStack = 64 << 20

// Serve is a child: it rehearses what in asks for until in ends. A signal to stop is its parent's business.
func Serve(in io.Reader, out io.Writer) error {
	signal.Ignore(os.Interrupt, syscall.SIGTERM)
	debug.SetMaxStack(maxStack)
	client := attempt.NewClient(attempt.Options{})
	return serve(in, out, func(m *Message, stage Stage) { rehearse(client, m, stage) })
}

func serve(in io.Reader, out io.Writer, work func(*Message, Stage)) error {
	requests, answers := gob.NewDecoder(in), gob.NewEncoder(out)
	// A child that can't even do this proves nothing against any message.
	work(&Message{Stream: topology.StreamEvents, Subject: "events.rehearsal", Seq: 1, Time: time.Now()}, Read)
	if err := answers.Encode(ready); err != nil {
		return fmt.Errorf("beginning to rehearse: %w", err)
	}
	for {
		var r request
		switch err := requests.Decode(&r); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("reading what to rehearse: %w", err)
		}
		for _, stage := range r.Stages {
			work(&r.Message, stage)
			if err := answers.Encode(stage); err != nil {
				return fmt.Errorf("answering what was rehearsed: %w", err)
			}
		}
	}
}

// rehearse does what an engine does with a message, up to the request.
func rehearse(client *attempt.Client, m *Message, stage Stage) {
	event := read(m)
	if stage == Read {
		return
	}
	for _, signature := range []signing.Signature{
		{Scheme: signing.SchemeStandard},
		{Scheme: signing.SchemeHMAC, Header: "X-Rehearsal"},
		{Scheme: signing.SchemeBearer},
	} {
		client.Rehearse(&attempt.Request{
			Endpoint: &endpoint.Endpoint{
				URL: "https://rehearsal.invalid/", Format: endpoint.Format(stage[len("form "):]), Signature: signature,
				Secrets: []signing.Secret{{Value: config.NewSecret("no secret at all")}},
			},
			EventID: event.ID, EventType: event.Type, Subject: event.Subject, ContentType: event.ContentType,
			Traceparent: event.Traceparent, Source: event.Source, Received: event.Received, Header: event.Forward,
			Body: event.Body, Attempt: 1,
		})
	}
}

// read decodes the message, which may be none of Jethook's: then there is nothing to make of it.
func read(m *Message) event.Event {
	crashpoint.Reach("read", "", m.Data)
	s := query.Stored{Subject: m.Subject, Seq: m.Seq, Time: m.Time, Header: m.Header, Data: m.Data}
	if m.Stream == topology.StreamDeliveries {
		d, _ := delivery.Of(&s)
		return d.Event
	}
	return event.Of(&s, m.Stream)
}
