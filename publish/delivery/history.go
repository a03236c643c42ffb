package delivery

import (
	"strconv"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"jethook/publish/groupcommit"
	"jethook/publish/query"
	"jethook/publish/topology"
)

// HistoryKey is what can be told of a line of the history by its subject. In a line, an empty class is "none" and the
// other fields are given; where lines are chosen, a zero field means any.
type HistoryKey struct {
	Endpoint, Outcome, Class string
	Status                   int // of the HTTP response; in a line, 0 when there was none
}

// noClass is the class of a line that is about no attempt.
const noClass = "none"

func (t HistoryKey) subject() string {
	if t.Class == "" {
		t.Class = noClass
	}
	return topology.HistoryPrefix + t.Endpoint + "." + t.Outcome + "." + t.Class + "." + strconv.Itoa(t.Status)
}

// HistoryKeyOf reads the subject of a line; false if it is none.
func HistoryKeyOf(subject string) (t HistoryKey, ok bool) {
	tokens := strings.Split(strings.TrimPrefix(subject, topology.HistoryPrefix), ".")
	if len(tokens) != 4 || !strings.HasPrefix(subject, topology.HistoryPrefix) {
		return t, false
	}
	status, err := strconv.Atoi(tokens[3])
	return HistoryKey{Endpoint: tokens[0], Outcome: tokens[1], Class: tokens[2], Status: status}, err == nil
}

// Selection lists the lines that have the trait.
func (t HistoryKey) Selection() query.Selection {
	if t == (HistoryKey{}) {
		return query.Selection{Stream: topology.StreamHistory, Subject: ">"} // the server counts all of a stream without its index
	}
	status := "*"
	if t.Status != 0 {
		status = strconv.Itoa(t.Status)
	}
	return query.Selection{
		Stream:  topology.StreamHistory,
		Subject: topology.HistoryPrefix + query.OrAny(t.Endpoint) + "." + query.OrAny(t.Outcome) + "." + query.OrAny(t.Class) + "." + status,
	}
}

// Record stores one line of the history; done is told once that is acknowledged. The fields of its trait must be
// subject tokens.
func (s *Store) Record(t HistoryKey, line []byte, done func(error)) {
	m := &nats.Msg{Subject: t.subject(), Header: nats.Header{}, Data: line}
	s.p.History.Enqueue(m, func(_ groupcommit.Receipt, err error) { done(err) })
}

// HistoryIsLate reports whether the server acknowledges a line of the history before it is written, which it then is
// some 10 ms later. Should the server be killed in between, the line is lost.
func (s *Store) HistoryIsLate() bool {
	return s.p.Streams[topology.StreamHistory].CachedInfo().Config.PersistMode == jetstream.AsyncPersistMode
}
