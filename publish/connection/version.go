package connection

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/mod/semver"
)

// release is a version of nats-server: major and minor.
type release struct{ major, minor int }

func (r release) String() string { return fmt.Sprint(r.major, ".", r.minor) }

func (r release) before(o release) bool {
	return r.major < o.major || r.major == o.major && r.minor < o.minor
}

// features are what Jethook needs of a server, with the release that brought it: https://docs.nats.io/release-notes
var features = []struct {
	since release
	name  string
}{
	{release{2, 12}, "message schedules, on which all waiting rests"},
	{release{2, 12}, "atomic batches, which store several messages or none"},
	{release{2, 12}, "the persist_mode of a stream"},
	{release{2, 11}, "direct gets of several messages"},
	{release{2, 10}, "several filters of a consumer"},
	{release{2, 10}, "the first sequence of a stream"},
}

// levels are the levels of the JetStream API of releases. A level stands for what a whole cluster can do.
var levels = map[int]release{0: {2, 10}, 1: {2, 11}, 2: {2, 12}}

// errOldServer refuses a cluster that lacks something.
var errOldServer = errors.New("the cluster of JETHOOK_NATS_URL is too old")

// CheckVersion refuses a server that lacks something, and names each such thing with the release that has it.
func CheckVersion(v string) error {
	var r release
	_, err := fmt.Sscanf(semver.MajorMinor("v"+v), "v%d.%d", &r.major, &r.minor)
	if err != nil {
		return fmt.Errorf("%w, or tells no version: it says %q; %s or newer has all that is needed", errOldServer, v, features[0].since)
	}
	return lacking(r, fmt.Sprintf("its server runs nats-server %q", v))
}

// CheckLevel refuses a JetStream that lacks something, by the level of its API. Behind a leaf node it is another server's.
func CheckLevel(level int) error {
	r, known := levels[level]
	if !known { // it is newer
		return nil
	}
	return lacking(r, fmt.Sprintf("its JetStream has the API level %d of nats-server %s", level, r))
}

// lacking names what a release lacks.
func lacking(r release, found string) error {
	var names []string
	need := r
	for _, f := range features {
		if r.before(f.since) {
			names = append(names, fmt.Sprintf("%s (since %s)", f.name, f.since))
			if need.before(f.since) {
				need = f.since
			}
		}
	}
	if len(names) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %s, without %s; upgrade every server to %s or newer", errOldServer, found, strings.Join(names, ", "), need)
}
