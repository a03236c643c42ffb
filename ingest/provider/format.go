package provider

import "strings"

// Format is how a header, or a field, holds signatures. The zero Format is one signature and nothing else.
type Format struct {
	kind     formatKind
	prefix   string // of plain, or the version, or the key of pairs
	optional bool   // the prefix may be missing
	sep      string // what may stand between items, any of its characters
	stamp    string // the key of pairs that holds the timestamp
}

type formatKind uint8

const (
	plain formatKind = iota
	versioned
	pairs
	stampFirst
)

// Prefixed is one signature after a prefix, which may be in any case.
func Prefixed(prefix string) Format { return Format{prefix: prefix} }

// MaybePrefixed is a list of signatures separated by commas, each with or without the prefix.
func MaybePrefixed(prefix string) Format {
	return Format{prefix: prefix, optional: true, sep: ","}
}

// Versioned is a list of VERSION,SIGNATURE separated by spaces, of which those of the version count:
// https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
// A comma before the space is allowed: Supabase joins several so.
func Versioned(version string) Format { return Format{kind: versioned, prefix: version, sep: " "} }

// MaybeVersioned is Versioned, or one signature without a version.
func MaybeVersioned(version string) Format {
	f := Versioned(version)
	f.optional = true
	return f
}

// Pairs is a list of KEY=VALUE with a separator, or any of several, between each two, and spaces around it. Those of key are
// signatures; that of stamp, if one is named, is the timestamp. All other keys are ignored: a signature of an
// older kind never stands in for a newer one.
func Pairs(separator, key, stamp string) Format {
	return Format{kind: pairs, sep: separator, prefix: key, stamp: stamp}
}

// StampFirst is a list separated by commas: the timestamp, and then signatures.
func StampFirst() Format { return Format{kind: stampFirst, sep: ",", stamp: "the first"} }

// maxSignatures is how many signatures of one request are tried. More than the two of a rotation is unheard
// of; without a bound, a sender would choose how much work each request makes.
const maxSignatures = 16

// presented are the signatures that a request holds, as text, and the timestamp beside them.
type presented struct {
	texts [maxSignatures]string
	n     int
	stamp string
}

func (p *presented) add(text string) {
	if text != "" && p.n < maxSignatures {
		p.texts[p.n] = text
		p.n++
	}
}

// read adds the signatures of one line. It reports false where the line says two things at once.
func (f Format) read(line string, p *presented) bool {
	if f.sep == "" {
		f.readItem(line, p)
		return true
	}
	for item := range strings.FieldsFuncSeq(line, func(c rune) bool { return strings.ContainsRune(f.sep, c) }) {
		if !f.readItem(strings.TrimSpace(item), p) {
			return false
		}
	}
	return true
}

func (f Format) readItem(item string, p *presented) bool {
	switch f.kind {
	case versioned:
		version, signature, found := strings.Cut(strings.TrimSuffix(item, ","), ",")
		if found && version == f.prefix {
			p.add(signature)
		} else if !found && f.optional {
			p.add(item)
		}
	case pairs:
		switch key, value, _ := strings.Cut(item, "="); {
		case key == f.prefix:
			p.add(value)
		case f.stamp != "" && key == f.stamp:
			if p.stamp != "" && p.stamp != value {
				return false
			}
			p.stamp = value
		}
	case stampFirst:
		if p.stamp == "" {
			p.stamp = item
		} else {
			p.add(item)
		}
	default:
		if signature, ok := cutPrefix(item, f.prefix); ok {
			p.add(signature)
		} else if f.optional {
			p.add(item)
		}
	}
	return true
}

// cutPrefix removes a prefix, which may be in any case and have spaces after it, as "Bearer" does.
func cutPrefix(s, prefix string) (rest string, ok bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return "", false
	}
	return strings.TrimLeft(s[len(prefix):], " "), true
}
