package quantity

import (
	"encoding"
	"fmt"
	"slices"
	"testing"
	"time"
)

func TestQuantities(t *testing.T) {
	t.Parallel()
	type value interface {
		encoding.TextUnmarshaler
		fmt.Stringer
	}
	syncOf := func() value { return new(Sync(7)) }
	bytesOf := func() value { return new(Bytes(7)) }
	scheduleOf := func() value { return &Schedule{7} }
	tests := []struct {
		new  func() value
		text string
		want string // empty: refused
	}{
		{syncOf, "always", "always"},
		{syncOf, " 2m ", "2m"},
		{syncOf, "1ms", "1ms"},
		{syncOf, "90m", "1h30m"},
		{syncOf, "10h0m10s", "10h0m10s"},
		{syncOf, "0", ""},
		{syncOf, "-1s", ""},
		{syncOf, "never", ""},
		{syncOf, "", ""},

		{bytesOf, "0", "0B"},
		{bytesOf, "500", "500B"},
		{bytesOf, "500B", "500B"},
		{bytesOf, "1KiB", "1KiB"},
		{bytesOf, "1024", "1KiB"},
		{bytesOf, "8mib", "8MiB"},
		{bytesOf, " 2 GiB ", "2GiB"},
		{bytesOf, "1kB", "1000B"},
		{bytesOf, "10MB", "10000000B"},
		{bytesOf, "1024GB", "1000000000KiB"},
		{bytesOf, "9223372036854775807", "9223372036854775807B"},
		{bytesOf, "9223372036854775808", ""},
		{bytesOf, "8589934592GiB", ""},
		{bytesOf, "8M", ""},
		{bytesOf, "1.5MiB", ""},
		{bytesOf, "-1", ""},
		{bytesOf, "+1", ""},
		{bytesOf, "0x10", ""},
		{bytesOf, "MiB", ""},
		{bytesOf, "", ""},

		{scheduleOf, "5m,30m,2h,5h,10h", "5m,30m,2h,5h,10h"},
		{scheduleOf, " 1s , 500ms ,", "1s,500ms"},
		{scheduleOf, "none", "none"},
		{scheduleOf, "none,5m", ""},
		{scheduleOf, "5m 30m", ""},
		{scheduleOf, "5m,0s", ""},
		{scheduleOf, "-5m", ""},
		{scheduleOf, "", ""},
		{scheduleOf, "5", ""},
	}
	for _, tt := range tests {
		v := tt.new()
		before := v.String()
		err := v.UnmarshalText([]byte(tt.text))
		if (err == nil) != (tt.want != "") {
			t.Errorf("%T of %q: %v, %v", v, tt.text, v, err)
		}
		want := tt.want
		if err != nil {
			want = before
		}
		if v.String() != want {
			t.Errorf("%T of %q is %q, want %q", v, tt.text, v, want)
		}
	}
}

func FuzzBytes(f *testing.F) {
	for _, seed := range []string{"8MiB", "1 kb", "9223372036854775807B", "", "-1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var b, again Bytes
		if b.UnmarshalText([]byte(text)) != nil {
			return
		}
		if err := again.UnmarshalText([]byte(b.String())); err != nil || again != b || b < 0 {
			t.Errorf("%q is %d, printed %q, read again as %d, %v", text, int64(b), b, int64(again), err)
		}
	})
}

func FuzzSchedule(f *testing.F) {
	for _, seed := range []string{"5m,30m,2h,5h,10h", "none", "1ns", ",", "2562047h47m16.854775807s"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var s, again Schedule
		if s.UnmarshalText([]byte(text)) != nil {
			return
		}
		if len(s) > maxPauses || slices.ContainsFunc(s, func(pause time.Duration) bool { return pause <= 0 }) {
			t.Errorf("%q is %v", text, s)
		}
		if err := again.UnmarshalText([]byte(s.String())); err != nil || !slices.Equal(again, s) {
			t.Errorf("%q is printed %q, read again as %v, %v", text, s, again, err)
		}
	})
}
