package gate

import (
	"bytes"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
)

// conn is a client that has sent all it will, and hears nothing.
type conn struct {
	net.Conn
	io.Reader
}

func (c conn) Read(p []byte) (int, error) { return c.Reader.Read(p) }
func (conn) Write(p []byte) (int, error)  { return len(p), nil }

// upstream takes what the gate lets through.
type upstream struct {
	net.Conn
	bytes.Buffer
}

func (u *upstream) Read([]byte) (int, error)    { return 0, io.EOF }
func (u *upstream) Write(p []byte) (int, error) { return u.Buffer.Write(p) }

func through(text []byte) string {
	var u upstream
	_ = newSession(conn{Reader: bytes.NewReader(text)}, &u).filter()
	return u.String()
}

// Whatever a service sends, what gets through is in the plainest form of the protocol, and no message of it breaks a rule.
func FuzzFilter(f *testing.F) {
	for _, text := range []string{
		"PUB events.a 2\r\nxx\r\nPING\r\n", "pub  events.a\t_INBOX.x 2\nxx\n", "HPUB events.a _INBOX.x 12 14\r\nNATS/1.0\r\n\r\nxx\r\n",
		"HPUB events.a 16 16\r\nNATS/1.0 404\r\n\r\n\r\n",
		"PUB events.a webhooks.x 2\r\nxx\r\n", "SUB webhooks.> 1\r\nUNSUB 1 5\r\nPONG\r\n",
		"PUB $JS.API.CONSUMER.CREATE.EVENTS.x _INBOX.x 46\r\n" + `{"config":{"deliver_subject":"webhooks.forged"}}` + "\r\n",
		"PUB $JS.API.CONSUMER.DURABLE.CREATE.EVENTS.jethook _INBOX.x 2\r\n{}\r\n", "PUB $JS.ACK.EVENTS.ep_1.1.1.1.1.0 0\r\n\r\n",
		"PUB events.a 14\r\nPUB webhooks.x\r\nPUB webhooks.x 0\r\n\r\n", "PUB events.a 00\r\n\r\n", "PUB events.a\r webhooks.b 0\r\n\r\n",
		"PUB\u00a0events.a 0\r\n\r\n", "PUB events.a\u0085b 0\r\n\r\n", "PUB events.a +1\r\nx\r\n", "PUB events.a 1_0\r\n0123456789\r\n",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		for out := through(text); out != ""; {
			line, rest, whole := strings.Cut(out, "\r\n")
			fields := strings.Split(line, " ")
			if !whole { // a message that the client did not end
				return
			}
			out = rest
			switch fields[0] {
			case "PING", "PONG", "SUB", "UNSUB":
				continue
			case "PUB", "HPUB":
			default:
				t.Fatalf("%q let through %q", text, line)
			}
			size, err := strconv.Atoi(fields[len(fields)-1])
			if err != nil {
				t.Fatalf("%q let through %q", text, line)
			}
			if len(out) < size+2 {
				return
			}
			m := message{subject: fields[1], body: []byte(out[:size])}
			sizes := 1
			if fields[0] == "HPUB" {
				sizes = 2
				headers, err := strconv.Atoi(fields[len(fields)-2])
				if err != nil || headers > size {
					t.Fatalf("%q let through %q", text, line)
				}
				m.headers, m.body = m.body[:headers], m.body[headers:]
			}
			if len(fields) == 3+sizes {
				m.reply = fields[2]
			}
			if refused := m.refused(); refused != "" {
				t.Fatalf("%q let through %q: %s", text, line, refused)
			}
			if out[size:size+2] != "\r\n" {
				t.Fatalf("%q let through a message of another size: %q", text, line)
			}
			out = out[size+2:]
		}
	})
}

func TestRules(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ subject, reply, body, refused string }{
		{"events.a", "", "", ""},
		{"events.a", "_INBOX.x.1", "", ""},
		{"events.a", "events.b", "", "reply.events.b"},
		{"events.a", "_INBOX", "", "reply._INBOX"},
		{"$JS.API.CONSUMER.INFO.EVENTS.jethook", "_INBOX.x", "", ""},
		{"$JS.API.CONSUMER.NAMES.EVENTS", "_INBOX.x", "", ""},
		{"$JS.API.CONSUMER.LIST.EVENTS", "_INBOX.x", "", ""},
		{"$JS.API.CONSUMER.MSG.NEXT.EVENTS.mine", "_INBOX.x", "", ""},
		{"$JS.API.CONSUMER.MSG.NEXT.EVENTS.ep_1", "_INBOX.x", "", "consumer.$JS.API.CONSUMER.MSG.NEXT.EVENTS.ep_1"},
		{"$JS.API.CONSUMER.CREATE.OPS.mine.jethook.ops.>", "_INBOX.x", `{"config":{"durable_name":"mine"}}`, ""},
		{"$JS.API.CONSUMER.CREATE.OPS.mine", "_INBOX.x", `{"config":{"deliver_subject":"_INBOX.y"}}`, ""},
		{"$JS.API.CONSUMER.CREATE.OPS.mine", "_INBOX.x", `{`, "create.$JS.API.CONSUMER.CREATE.OPS.mine"},
		{"$JS.API.CONSUMER.CREATE.OPS", "_INBOX.x", `{"config":{"direct":true}}`, "create.$JS.API.CONSUMER.CREATE.OPS"},
		{"$JS.ACK.EVENTS.mine.1.1.1.1.0", "", "", ""},
	} {
		m := message{subject: test.subject, reply: test.reply, body: []byte(test.body)}
		if got := m.refused(); got != test.refused {
			t.Errorf("%+v: got %q", test, got)
		}
	}
}
