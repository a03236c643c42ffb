package admin_test

import (
	"net/http"
	"strings"
	"testing"

	"jethook/consume/admin/recoveries"
	"jethook/consume/recovery"
)

// Nothing works on recoveries here: they stay as they began.
func TestRecoveries(t *testing.T) {
	t.Parallel()
	a := start(t)
	e := a.create(`{"name":"x","url":"https://example.com/","events":["events.>"]}`)
	path := "/api/v1/endpoints/" + e.ID + "/recover"
	a.bury(aDelivery(e.ID, "evt_1"))
	a.schedule(aDelivery(e.ID, "evt_2"))

	counted := get[recovery.Recovery](a, http.StatusOK, "POST", path, `{"dry_run":true}`)
	if !counted.DryRun || counted.ID != "" || counted.Counts != (recovery.RecoveryCounts{Dead: 1, Waiting: 1}) {
		t.Errorf("dry run: %+v", counted)
	}
	if page := get[recoveries.RecoveryPage](a, http.StatusOK, "GET", "/api/v1/recoveries", ""); len(page.Items) != 0 {
		t.Errorf("a dry run is kept: %+v", page)
	}
	rec := get[recovery.Recovery](a, http.StatusAccepted, "POST", path, `{"since":"24h","missing":true}`)
	if !strings.HasPrefix(rec.ID, "rec_") || rec.State != recovery.Running || !rec.Missing || rec.Until.IsZero() {
		t.Errorf("got %+v", rec)
	}
	if got := a.do("POST", path, `{}`); got.status != http.StatusConflict || got.code() != "recovering" || !strings.Contains(got.body, rec.ID) {
		t.Errorf("a second one: %d %s", got.status, got.body)
	}
	one := "/api/v1/recoveries/" + rec.ID
	if got := get[recovery.Recovery](a, http.StatusOK, "GET", one, ""); got.ID != rec.ID || got.State != recovery.Running {
		t.Errorf("got %+v", got)
	}
	if got := get[recovery.Recovery](a, http.StatusOK, "DELETE", one, ""); got.State != recovery.Cancelled || got.Finished.IsZero() {
		t.Errorf("cancelled: %+v", got)
	}
	next := get[recovery.Recovery](a, http.StatusAccepted, "POST", path, `{}`)
	page := get[recoveries.RecoveryPage](a, http.StatusOK, "GET", "/api/v1/recoveries", "")
	if len(page.Items) != 2 || page.Items[0].ID != next.ID || page.Items[1].ID != rec.ID {
		t.Errorf("got %+v", page)
	}
	if got := get[recovery.Recovery](a, http.StatusOK, "GET", one, ""); got.State != recovery.Cancelled {
		t.Errorf("the first, after the second: %+v", got)
	}
	get[struct{}](a, http.StatusOK, "POST", "/api/v1/endpoints/"+e.ID+"/disable", "")
	get[recovery.Recovery](a, http.StatusOK, "DELETE", "/api/v1/recoveries/"+next.ID, "")
	if got := a.do("POST", path, `{}`); got.status != http.StatusConflict || got.code() != "endpoint_disabled" {
		t.Errorf("of a disabled endpoint: %d %s", got.status, got.body)
	}
	for _, r := range []struct{ method, path string }{
		{"GET", "/api/v1/recoveries/rec_none"}, {"DELETE", "/api/v1/recoveries/x.>"}, {"POST", "/api/v1/endpoints/ep_none/recover"},
	} {
		if got := a.do(r.method, r.path, `{}`); got.status != http.StatusNotFound || got.code() != "not_found" {
			t.Errorf("%s %s: %d %s", r.method, r.path, got.status, got.body)
		}
	}
}
