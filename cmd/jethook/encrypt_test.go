package main

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os/exec"
	"testing"
	"time"
)

// A process that is killed at any moment while it encrypts a store that was in clear loses nothing of it.
func TestKilledWhileTheStoreIsEncrypted(t *testing.T) {
	t.Parallel()
	p := newProcess(t)
	p.start(t, "serve")
	p.api(t, "POST", "/api/v1/endpoints", `{"name":"kept","url":"https://example.com","events":["events.none"]}`, nil)
	for i := range 50 {
		if status, _ := p.post(t.Context(), http.DefaultClient, fmt.Sprint("evt_", i), secret); status/100 != 2 {
			t.Fatalf("status %d", status)
		}
	}
	p.kill(t)
	p.env = append(p.env, "JETHOOK_ENCRYPTION_KEY=a-key-of-the-tests-0123456789abcd")
	for range 15 {
		cmd := exec.Command(binary, "serve")
		cmd.Env = p.env
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(10+rand.IntN(150)) * time.Millisecond) // the random moment
		cmd.Process.Kill()
		cmd.Wait()
	}
	p.start(t, "serve")
	if ids := storedIDs(t, p); len(ids) != 50 {
		t.Errorf("%d of 50 events are left", len(ids))
	}
	var list struct{ Items []struct{ Name string } }
	if p.api(t, "GET", "/api/v1/endpoints", "", &list); len(list.Items) != 1 || list.Items[0].Name != "kept" {
		t.Errorf("endpoints left: %+v", list.Items)
	}
}
