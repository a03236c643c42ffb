package bench

import (
	"fmt"
	"io"
	"time"

	"jethook/cmd/jethook/cli"
)

// watch writes what status says until the function it returns is called: in place on a terminal, and as a line
// every few seconds otherwise.
func watch(w io.Writer, status func() string) (stop func()) {
	if w == nil {
		return func() {}
	}
	pause, format, last := 5*time.Second, "%s\n", ""
	if cli.IsTerminal(w) {
		const clear = "\r\x1b[K"
		pause, format, last = 200*time.Millisecond, clear+"%s", clear
	}
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(pause)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				fmt.Fprintf(w, format, status())
			case <-quit:
				io.WriteString(w, last)
				return
			}
		}
	}()
	return func() { close(quit); <-done }
}
