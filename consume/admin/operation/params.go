package operation

import (
	"regexp"
	"time"
)

// PageParams choose a part of a list. They are exported because huma passes over embedded types that are not.
type PageParams struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"500" default:"50"`
	Cursor string `query:"cursor" doc:"next_cursor of the previous page"`
}

// EndpointParam names an endpoint.
type EndpointParam struct {
	ID string `path:"id" doc:"the endpoint's id"`
}

// EndpointID is what can stand in a subject where an endpoint's id does: a wildcard would choose all.
var EndpointID = regexp.MustCompile(`^[0-9A-Za-z_-]{1,64}$`)

// CheckEndpoint says what is wrong with an endpoint's id by which a list is filtered; an empty one is none.
func CheckEndpoint(id string) []FailureField {
	if id == "" || EndpointID.MatchString(id) {
		return nil
	}
	return []FailureField{{Field: "endpoint", Message: "is not an endpoint's id"}}
}

// DeliveryID is the form of a delivery's id: its endpoint, its event's source, the event's id or a hash of it, and the event's
// place, which may be left out. Anything else would reach the bus as part of a subject, where wildcards choose other deliveries.
var DeliveryID = regexp.MustCompile(`^[0-9A-Za-z_-]{1,64}\.[0-9A-Za-z_-]{1,64}:~?[0-9A-Za-z_-]{1,128}(\.[0-9a-z]{1,13})?$`)

// Times reads the filters since and until, and says what is wrong with them. A period counts back from now.
func Times(since, until string) (from, to time.Time, fields []FailureField) {
	now := time.Now()
	for _, t := range []struct {
		field, text string
		to          *time.Time
	}{{"since", since, &from}, {"until", until, &to}} {
		var ok bool
		if *t.to, ok = ParseTime(t.text, now); !ok {
			fields = append(fields, FailureField{
				Field: t.field, Message: "must be a time such as 2026-01-02T15:04:05Z, or a period such as 24h",
			})
		}
	}
	return from, to, fields
}

// ParseTime reads a time as the API's parameters give it: in RFC 3339, or how long before now; nothing is the zero
// time.
func ParseTime(text string, now time.Time) (t time.Time, ok bool) {
	if text == "" {
		return time.Time{}, true
	}
	if ago, err := time.ParseDuration(text); err == nil {
		return now.Add(-ago), ago >= 0
	}
	t, err := time.Parse(time.RFC3339, text)
	return t, err == nil
}
