package gate

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/nats-io/nats-server/v2/server"
)

// streams are those that services read: the last is the object store with the bodies of webhooks that fit into no message.
var streams = []string{"WEBHOOKS", "EVENTS", "OPS", "OBJ_jethook_bodies"}

// inboxPrefix is where a service may have itself answered.
const inboxPrefix = "_INBOX."

// refusedPrefix begins a subject that no service may publish to. The server says it to the client whose message the
// gate refuses, with the reason and the subject behind it.
const refusedPrefix = "jethook.refused."

// maxRequest is more than any request has that the rules read.
const maxRequest = 256 << 10

// permissions of a service: the subjects, with what the JetStream API of its streams needs.
// https://docs.nats.io/reference/reference-protocols/nats_api_reference
func permissions() *server.Permissions {
	publish := []string{"events.>", inboxPrefix + ">", "$JS.API.INFO", "$JS.API.STREAM.NAMES"}
	for _, stream := range streams {
		for _, form := range []string{
			"$JS.API.STREAM.INFO.%s", "$JS.API.STREAM.MSG.GET.%s", "$JS.API.DIRECT.GET.%s", "$JS.API.DIRECT.GET.%s.>",
			"$JS.API.CONSUMER.NAMES.%s", "$JS.API.CONSUMER.LIST.%s", "$JS.API.CONSUMER.INFO.%s.*",
			"$JS.API.CONSUMER.CREATE.%s", "$JS.API.CONSUMER.CREATE.%s.>", "$JS.API.CONSUMER.DURABLE.CREATE.%s.*",
			"$JS.API.CONSUMER.MSG.NEXT.%s.*", "$JS.API.CONSUMER.DELETE.%s.*", "$JS.API.CONSUMER.PAUSE.%s.*",
			"$JS.API.CONSUMER.RESET.%s.*", "$JS.API.CONSUMER.UNPIN.%s.*",
			// No more tokens: there is a longer form of both that has stream and consumer further behind.
			"$JS.ACK.%s.*.*.*.*.*.*", "$JS.FC.%s.*.*",
		} {
			publish = append(publish, fmt.Sprintf(form, stream))
		}
	}
	return &server.Permissions{
		Publish: &server.SubjectPermission{Allow: publish},
		Subscribe: &server.SubjectPermission{
			Allow: []string{"webhooks.>", "events.>", "jethook.ops.>", inboxPrefix + ">"},
		},
	}
}

// message is what the rules know of a message that a service publishes. They refuse what the permissions let through and
// must not:
//   - an answer to somewhere else than an inbox. The server would publish there what the service asked for, an event of
//     its own for example: as a webhook, or as an order to one of Jethook's consumers;
//   - a consumer that delivers to somewhere else than an inbox, which is the same;
//   - an event that its readers would take for the server's answer: see [poses];
//   - whatever changes one of Jethook's own consumers or takes its messages, so that they would be delivered to nobody.
type message struct {
	subject, reply string
	headers, body  []byte // as far as the rules read them
	tooLarge       bool   // to be read
}

const (
	consumerPrefix = "$JS.API.CONSUMER."
	createPrefix   = consumerPrefix + "CREATE."
	durablePrefix  = consumerPrefix + "DURABLE.CREATE."
)

// reads is how many bytes of the message the rules need: of its headers, or of all.
func (m *message) reads(headers, all int) int {
	if m.creates() {
		return all
	}
	return headers
}

func (m *message) creates() bool {
	return strings.HasPrefix(m.subject, createPrefix) || strings.HasPrefix(m.subject, durablePrefix)
}

// refused says why a message is refused, and where it went; empty: it is not.
func (m *message) refused() string {
	switch {
	case m.reply != "" && !strings.HasPrefix(m.reply, inboxPrefix):
		return "reply." + m.reply
	case ownConsumer(m.consumer()):
		return "consumer." + m.subject
	case m.creates() && (m.tooLarge || !m.mayCreate()):
		return "create." + m.subject
	case m.tooLarge || poses(m.headers):
		return "header." + m.subject
	default:
		return ""
	}
}

// consumer is the name of the consumer that a message is for; empty: it is for none, or only asks about it.
func (m *message) consumer() string {
	at := 0
	switch {
	case strings.HasPrefix(m.subject, consumerPrefix+"INFO."):
	case strings.HasPrefix(m.subject, durablePrefix), strings.HasPrefix(m.subject, consumerPrefix+"MSG.NEXT."):
		at = 6
	case strings.HasPrefix(m.subject, consumerPrefix):
		at = 5
	case strings.HasPrefix(m.subject, "$JS.ACK."), strings.HasPrefix(m.subject, "$JS.FC."):
		at = 3
	}
	if at == 0 {
		return ""
	}
	if tokens := strings.Split(m.subject, "."); at < len(tokens) {
		return tokens[at]
	}
	return ""
}

// ownConsumer reports whether a consumer's name is one of Jethook's: see [publish.Queue] and the endpoints' ids.
func ownConsumer(name string) bool {
	return strings.HasPrefix(name, "jethook") || strings.HasPrefix(name, "ep_")
}

// mayCreate reports whether a service may have the consumer that the body asks for. It reads it as the server does.
func (m *message) mayCreate() bool {
	var req server.CreateConsumerRequest
	if json.Unmarshal(m.body, &req) != nil {
		return false
	}
	c := &req.Config
	return (c.DeliverSubject == "" || strings.HasPrefix(c.DeliverSubject, inboxPrefix)) &&
		!ownConsumer(c.Name) && !ownConsumer(c.Durable) && !c.Direct && !c.Sourcing
}

// poses reports whether a message with these headers may be taken for an answer of the server by whoever reads it from a
// stream. NATS clients tell an answer by its status, and end the request for messages that it seems to answer: the message would
// be acknowledged by nobody and come again for ever, and so would those behind it. Of Nats-Pin-Id they learn how to ask from then on.
func poses(headers []byte) bool {
	first, rest, _ := bytes.Cut(headers, []byte("\n"))
	if inline, ok := bytes.CutPrefix(first, []byte("NATS/1.0")); ok && len(bytes.TrimSpace(inline)) > 0 {
		return true
	}
	for line := range bytes.Lines(rest) {
		name, _, _ := bytes.Cut(line, []byte(":"))
		switch name = bytes.TrimSpace(name); {
		case bytes.EqualFold(name, []byte("Status")), bytes.EqualFold(name, []byte("Nats-Pin-Id")):
			return true
		}
	}
	return false
}
