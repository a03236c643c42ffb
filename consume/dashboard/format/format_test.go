package format

import "testing"

// A count that was cut off says that there are more.
func TestCounts(t *testing.T) {
	t.Parallel()
	for want, got := range map[string]string{
		"1,000+ deliveries": AtLeast(1000, true, "delivery", "deliveries"),
		"1,000 deliveries":  AtLeast(1000, false, "delivery", "deliveries"),
		"1 delivery":        AtLeast(1, false, "delivery", "deliveries"),
	} {
		if got != want {
			t.Errorf("%q, not %q", got, want)
		}
	}
}
