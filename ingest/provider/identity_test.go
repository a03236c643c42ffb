package provider

import "testing"

// TestApart: what is joined can't be read in two ways, and an id that nothing tells apart stays as it is.
func TestApart(t *testing.T) {
	t.Parallel()
	v := Apart(JSON("id"), JSON("a"), JSON("b"))
	seen := map[string]string{}
	for _, body := range []string{
		`{"id":"1","a":"x"}`, `{"id":"1","b":"x"}`, `{"id":"1","a":"x","b":"y"}`, `{"id":"1","a":"xy"}`, `{"id":"1","a":"x-y"}`,
		`{"id":"1-x","a":"y"}`, `{"id":"1"}`, `{"id":"1-x"}`,
	} {
		id := v.find(request(body))
		if other, found := seen[id]; found {
			t.Errorf("%s and %s have the id %s", body, other, id)
		}
		seen[id] = body
	}
	if seen["1"] == "" {
		t.Errorf("an id alone is changed: %q", seen)
	}
	if id := v.find(request(`{"a":"x"}`)); id != "" {
		t.Errorf("there is no id, and it is %q", id)
	}
}

// TestOwnPlaces: where the operator says where type and id stand, what the row has of its own does not count.
func TestOwnPlaces(t *testing.T) {
	t.Parallel()
	body := `{"webhook_type":"HOLDINGS","webhook_code":"DEFAULT_UPDATE","kind":"k","key":"1","data":{"id":2}}`
	for _, name := range []string{"plaid", "paystack", "github", "slack", "cloudevents"} {
		s, faults := Build(name, Options{Type: "json:kind", ID: "json:key"})
		if len(faults) > 0 {
			t.Fatal(faults)
		}
		if e := s.Unverified().events(request(body))[0]; e.Type != "k" || e.ID != "1" || e.Hashed {
			t.Errorf("%s: %s, %s, hashed %t", name, e.Type, e.ID, e.Hashed)
		}
	}
	if _, faults := Build("token", Options{Header: "X-T", ID: "json:id or const:none"}); len(faults) == 0 {
		t.Error("an id that may be a constant is taken")
	}
}
