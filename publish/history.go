package publish

import (
	"strconv"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"jethook/publish/groupcommit"
	"jethook/publish/query"
	"jethook/publish/topology"
)

// Trait is what can be told of a line of the history by its subject. In a line, an empty class is "none" and the
// other fields are given; where lines are chosen, a zero field means any.
type Trait struct {
	Endpoint, Outcome, Class string
	Status                   int // of the HTTP response; in a line, 0 when there was none
}

// noClass is the class of a line that is about no attempt.
const noClass = "none"

func (t Trait) subject() string {
	if t.Class == "" {
		t.Class = noClass
	}
	return topology.HistoryPrefix + t.Endpoint + "." + t.Outcome + "." + t.Class + "." + strconv.Itoa(t.Status)
}

// TraitOf reads the subject of a line; false if it is none.
func TraitOf(subject string) (t Trait, ok bool) {
	tokens := strings.Split(strings.TrimPrefix(subject, topology.HistoryPrefix), ".")
	if len(tokens) != 4 || !strings.HasPrefix(subject, topology.HistoryPrefix) {
		return t, false
	}
	status, err := strconv.Atoi(tokens[3])
	return Trait{Endpoint: tokens[0], Outcome: tokens[1], Class: tokens[2], Status: status}, err == nil
}

// Selection lists the lines that have the trait.
func (t Trait) Selection() query.Selection {
	if t == (Trait{}) {
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
func (b *Bus) Record(t Trait, line []byte, done func(error)) {
	m := &nats.Msg{Subject: t.subject(), Header: nats.Header{}, Data: line}
	b.history.Enqueue(m, func(_ groupcommit.Receipt, err error) { done(err) })
}

// HistoryIsLate reports whether the server acknowledges a line of the history before it is written, which it then is
// some 10 ms later. Should the server be killed in between, the line is lost.
func (b *Bus) HistoryIsLate() bool {
	return b.streams[topology.StreamHistory].CachedInfo().Config.PersistMode == jetstream.AsyncPersistMode
}

// HistoryShelf lists the history's lines with one outcome.
func HistoryShelf(endpoint, outcome string) query.Selection {
	return Trait{Endpoint: endpoint, Outcome: outcome}.Selection()
}
