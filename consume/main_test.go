package consume_test

import (
	"flag"
	"os"
	"testing"
)

// These tests wait for most of their time, so more of them run at once than there are processors. The command line's
// -parallel overrides it.
func TestMain(m *testing.M) {
	if err := flag.Set("test.parallel", "6"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}
