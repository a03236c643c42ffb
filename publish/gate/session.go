package gate

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"golang.org/x/sync/semaphore"
)

// session is one client's connection.
// The protocol: https://docs.nats.io/reference/reference-protocols/nats-protocol
type session struct {
	client, server net.Conn
	fromClient     *bufio.Reader
	fromServer     *bufio.Reader
	toServer       *bufio.Writer
	scratch        []byte
	room           *semaphore.Weighted // nil: there is no bound
	crowd          *crowd              // as room
}

// The server keeps a message in memory from its first byte on. So that clients that send large ones and stall can't take all
// of it, only mostLarge bytes of messages larger than largeMessage are let through at once, each for largeTime at most.
const (
	largeMessage = 64 << 10
	mostLarge    = 128 << 20
	largeTime    = 30 * time.Second
)

// begin waits until there is room for a message, and bounds the time that it may take. end must be called when it is over.
func (s *session) begin(size int) (end func(), err error) {
	n := int64(min(size, mostLarge))
	if n <= largeMessage || s.room == nil {
		return func() {}, nil
	}
	if err := s.toServer.Flush(); err != nil { // what came before waits for nothing
		return nil, err
	}
	if err := s.room.Acquire(context.Background(), n); err != nil {
		return nil, err
	}
	if err := s.client.SetReadDeadline(time.Now().Add(largeTime)); err != nil {
		s.room.Release(n)
		return nil, err
	}
	return func() {
		_ = s.client.SetReadDeadline(time.Time{}) // it may be gone
		s.room.Release(n)
	}, nil
}

// writeTimeout is how long a client may take nothing, as the server has it.
const writeTimeout = server.DEFAULT_FLUSH_DEADLINE

// bufferBytes is also more than a line of the protocol may hold, of which the server takes 4 KiB.
const bufferBytes = 16 << 10

func newSession(client, server net.Conn) *session {
	s := &session{
		client: client, server: server,
		fromServer: bufio.NewReaderSize(server, bufferBytes),
		toServer:   bufio.NewWriterSize(server, bufferBytes),
		scratch:    make([]byte, bufferBytes),
	}
	s.fromClient = bufio.NewReaderSize(flushing{s}, bufferBytes)
	return s
}

// flushing reads from the client, and sends on what came before while it waits.
type flushing struct{ s *session }

func (f flushing) Read(p []byte) (int, error) {
	if err := f.s.toServer.Flush(); err != nil {
		return 0, err
	}
	return f.s.client.Read(p)
}

// errProtocol means that a client says what no client says.
var errProtocol = errors.New("not the NATS protocol")

// readLine returns a line without its end. It is valid until the next read.
func readLine(r *bufio.Reader) ([]byte, error) {
	line, err := r.ReadSlice('\n')
	if err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(line[:len(line)-1], []byte("\r")), nil
}

// filter forwards what a service sends, as the rules let it. Each line is taken apart and written anew, so that the
// server can read nothing else in it than the gate did.
func (s *session) filter() error {
	for {
		line, err := readLine(s.fromClient)
		if err != nil {
			return ended(err)
		}
		if bytes.ContainsFunc(line, isControl) {
			return s.fail(errProtocol)
		}
		fields := bytes.Fields(line)
		if len(fields) == 0 {
			return s.fail(errProtocol)
		}
		switch verb := string(bytes.ToUpper(fields[0])); {
		case verb == "PUB", verb == "HPUB":
			err = s.publish(verb, fields[1:])
		case verb == "PING" && len(fields) == 1, verb == "PONG" && len(fields) == 1,
			verb == "SUB" && len(fields) >= 3 && len(fields) <= 4, verb == "UNSUB" && len(fields) >= 2 && len(fields) <= 3:
			s.write(verb, fields[1:]...)
		default:
			err = errProtocol
		}
		if err != nil {
			return s.fail(err)
		}
	}
}

func isControl(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }

// carryBack copies what the server says to the client, until either is gone or the client takes nothing any more.
func (s *session) carryBack() {
	buf := make([]byte, bufferBytes) // the other direction has its own
	for {
		n, err := s.fromServer.Read(buf)
		if err != nil {
			return
		}
		if s.client.SetWriteDeadline(time.Now().Add(writeTimeout)) != nil {
			return
		}
		if _, err := s.client.Write(buf[:n]); err != nil {
			return
		}
	}
}

// ended is nil when a client has left.
func ended(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// fail tells the client why it is cut off, if that is its fault. What the server had to say may stand before it.
func (s *session) fail(err error) error {
	if errors.Is(err, errProtocol) {
		fmt.Fprintf(s.client, "-ERR 'Unknown Protocol Operation'\r\n") //nolint:errcheck // it is cut off in any case
	}
	return err
}

// write sends a line to the server. Its errors come with the next flush.
func (s *session) write(verb string, args ...[]byte) {
	s.toServer.WriteString(verb)
	for _, arg := range args {
		s.toServer.WriteByte(' ')
		s.toServer.Write(arg)
	}
	s.toServer.WriteString("\r\n")
}

// publish forwards a message: PUB <subject> [reply] <size>, or HPUB <subject> [reply] <size of headers> <size>.
func (s *session) publish(verb string, args [][]byte) error {
	sizes := 1
	if verb == "HPUB" {
		sizes = 2
	}
	if len(args) != 1+sizes && len(args) != 2+sizes {
		return errProtocol
	}
	size, err := parseSize(args[len(args)-1])
	if err != nil {
		return err
	}
	end, err := s.begin(size)
	if err != nil {
		return ended(err)
	}
	defer end()
	headers := 0
	if verb == "HPUB" {
		if headers, err = parseSize(args[len(args)-2]); err != nil || headers > size {
			return errProtocol
		}
	}
	m := message{subject: string(args[0])}
	if len(args) == 2+sizes {
		m.reply = string(args[1])
	}
	var read []byte // what the rules read; the rest is left to copy
	if n := m.reads(headers, size); n > maxRequest {
		m.tooLarge = true
	} else if n > 0 {
		args = bytes.Fields(bytes.Join(args, []byte(" "))) // reading on takes the line's place
		read = make([]byte, n)
		if _, err := io.ReadFull(s.fromClient, read); err != nil {
			return ended(err)
		}
		m.headers, m.body, size = read[:headers], read[headers:], size-n
	}
	to := io.Writer(s.toServer)
	refused := m.refused()
	if refused == "" && m.creates() && !s.crowd.admits(m.stream(), time.Now()) {
		refused = "consumers." + m.subject
	}
	if refused != "" {
		// The server knows best where in what it says an error may stand: it refuses this, which no service may publish.
		s.write("PUB", []byte(refusedPrefix+refused), []byte("0"))
		read, to = nil, io.Discard
	} else {
		s.write(verb, args...)
	}
	s.toServer.Write(read)
	if err := s.copy(to, size); err != nil {
		return ended(err)
	}
	rest, err := readLine(s.fromClient)
	if err != nil {
		return ended(err)
	}
	if len(rest) > 0 {
		return errProtocol
	}
	_, err = s.toServer.WriteString("\r\n")
	return err
}

// copy hands the next n bytes of the client over. Unlike io.Copy it leaves the writer's buffer to [flushing].
func (s *session) copy(to io.Writer, n int) error {
	for n > 0 {
		got, err := s.fromClient.Read(s.scratch[:min(n, len(s.scratch))])
		if _, err := to.Write(s.scratch[:got]); err != nil {
			return err
		}
		if n -= got; err != nil {
			return err
		}
	}
	return nil
}

// parseSize reads a size as the server does, but for what no message has.
func parseSize(text []byte) (int, error) {
	n, err := strconv.ParseUint(string(text), 10, 31)
	if err != nil {
		return 0, errProtocol
	}
	return int(n), nil
}
