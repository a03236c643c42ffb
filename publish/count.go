package publish

import (
	"context"
	"fmt"
	"strings"
)

// StreamEnds returns the sequences of a stream's first and last message. The first is behind the last when there is none.
func (b *Bus) StreamEnds(ctx context.Context, stream string) (first, last uint64, err error) {
	info, err := b.shelves[stream].Info(ctx)
	if err != nil {
		return 0, 0, fmt.Errorf("asking for stream %s: %w", stream, classify(err))
	}
	return info.State.FirstSeq, info.State.LastSeq, nil
}

// HandedByCursor returns up to which sequence the consumer of an endpoint's cursor has handed out its messages, and how many
// it has, with those that it has handed out again. ErrNotFound: there is none of this epoch.
func (b *Bus) HandedByCursor(ctx context.Context, stream, endpoint, epoch string) (place, messages uint64, err error) {
	info, err := b.consumerInfo(ctx, stream, endpoint)
	if err == nil && info.Config.Metadata[epochMark] != epoch {
		err = fmt.Errorf("consumer %s of %s: %w", endpoint, stream, ErrNotFound)
	}
	if err != nil {
		return 0, 0, err
	}
	return info.Delivered.Stream, info.Delivered.Consumer, nil
}

// CountFrom counts the events of a stream from a sequence on that one of the patterns matches. One that several match
// counts once.
func (b *Bus) CountFrom(ctx context.Context, stream string, patterns []string, from uint64) (uint64, error) {
	var n uint64
	for subject, sign := range disjoint(OrderedFilters(stream, patterns)) {
		got, err := b.reads.fetch(ctx, Shelf{stream: stream, subject: subject}, fetchQuery{
			Seq: max(from, 1), Subject: subject, Batch: 1, MaxBytes: readBytes,
		})
		if err != nil {
			return 0, err
		}
		n += uint64(sign) * got.pending
	}
	return n, nil
}

// maxTerms bounds what disjoint makes of patterns that overlap and overlap.
const maxTerms = 256

// disjoint returns with which sign the messages on each subject count, so that those which several patterns match count
// once: the sum over two patterns less the messages that both match, and so on.
func disjoint(patterns []string) map[string]int64 {
	terms := make(map[string]int64)
	for _, p := range patterns {
		if len(terms) > maxTerms {
			break
		}
		more := map[string]int64{p: 1}
		for t, sign := range terms {
			if both, ok := intersection(p, t); ok {
				more[both] -= sign
			}
		}
		for t, sign := range more {
			if terms[t] += sign; terms[t] == 0 {
				delete(terms, t)
			}
		}
	}
	return terms
}

// intersection returns the pattern of the subjects that both patterns match; false when there are none.
func intersection(a, b string) (string, bool) {
	as, bs := strings.Split(a, "."), strings.Split(b, ".")
	var both []string
	for i := 0; ; i++ {
		switch {
		case i == len(as) && i == len(bs):
			return strings.Join(both, "."), true
		case i == len(as) || i == len(bs): // what ends in > has one token more at least
			return "", false
		case as[i] == ">":
			return strings.Join(append(both, bs[i:]...), "."), true
		case bs[i] == ">":
			return strings.Join(append(both, as[i:]...), "."), true
		case as[i] == "*":
			both = append(both, bs[i])
		case bs[i] == "*" || as[i] == bs[i]:
			both = append(both, as[i])
		default:
			return "", false
		}
	}
}
