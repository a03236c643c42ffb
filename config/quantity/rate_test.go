package quantity

import (
	"strings"
	"testing"
	"time"
)

func TestRate(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Rate{
		"10/s": {10, time.Second}, " 600/m ": {600, time.Minute}, "1000/h": {1000, time.Hour},
		"0/s": {}, "-1/s": {}, "10": {}, "10/d": {}, "1000001/s": {}, "a/s": {}, "": {},
	} {
		var got Rate
		if err := got.UnmarshalText([]byte(text)); got != want || (err == nil) == (want == Rate{}) {
			t.Errorf("%q: %v, %v", text, got, err)
		}
		if want.Count > 0 && got.String() != strings.TrimSpace(text) {
			t.Errorf("%q prints as %s", text, got)
		}
	}
}
