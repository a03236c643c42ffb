package connection

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/mod/semver"
)

// features are what Jethook needs of a server, with the release that brought it, the newest first: https://docs.nats.io/release-notes
var features = []struct {
	since, name string
}{
	{"v2.12", "message schedules, on which all waiting rests"},
	{"v2.12", "atomic batches, which store several messages or none"},
	{"v2.12", "the persist_mode of a stream"},
	{"v2.11", "direct gets of several messages"},
	{"v2.10", "several filters of a consumer"},
	{"v2.10", "the first sequence of a stream"},
}

// levels are the levels of the JetStream API of releases. A level stands for what a whole cluster can do.
var levels = map[int]string{0: "v2.10", 1: "v2.11", 2: "v2.12"}

// errOldServer refuses a cluster that lacks something.
var errOldServer = errors.New("the cluster of JETHOOK_NATS_URL is too old")

// CheckVersion refuses a server that lacks something, and names each such thing with the release that has it.
func CheckVersion(v string) error {
	r := semver.MajorMinor("v" + v)
	if r == "" {
		return fmt.Errorf("%w, or tells no version: it says %q; %s or newer has all that is needed", errOldServer, v, shown(features[0].since))
	}
	return lacking(r, fmt.Sprintf("its server runs nats-server %q", v))
}

// CheckLevel refuses a JetStream that lacks something, by the level of its API. Behind a leaf node it is another server's.
func CheckLevel(level int) error {
	r, known := levels[level]
	if !known { // it is newer
		return nil
	}
	return lacking(r, fmt.Sprintf("its JetStream has the API level %d of nats-server %s", level, shown(r)))
}

// lacking names what a release lacks.
func lacking(r, found string) error {
	var need string
	var names []string
	for _, f := range features {
		if semver.Compare(r, f.since) < 0 {
			names = append(names, fmt.Sprintf("%s (since %s)", f.name, shown(f.since)))
			if need == "" {
				need = f.since
			}
		}
	}
	if len(names) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %s, without %s; upgrade every server to %s or newer", errOldServer, found, strings.Join(names, ", "), shown(need))
}

// shown is a release as NATS writes it.
func shown(release string) string { return strings.TrimPrefix(release, "v") }
