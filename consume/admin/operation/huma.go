package operation

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/validation"
)

// AdaptHuma makes huma answer with a Failure too, and not call every array nullable. huma has nothing but
// package variables for this, which are therefore set once and before the first API exists: no server ever
// sees them change.
var AdaptHuma = sync.OnceFunc(func() {
	huma.DefaultArrayNullable = false
	huma.NewError = func(status int, message string, errs ...error) huma.StatusError {
		return failureOfHuma(status, message, errs)
	}
})

// failureOfHuma shapes what huma found wrong with a request. The values it found are left out: they may be
// secrets.
func failureOfHuma(status int, message string, errs []error) *Failure {
	var fields []FailureField
	for _, err := range errs {
		if d, ok := errors.AsType[*huma.ErrorDetail](err); ok {
			fields = append(fields, fieldOfHuma(d))
		}
	}
	switch status {
	case http.StatusUnprocessableEntity:
		return Invalid(fields...)
	case http.StatusBadRequest:
		if len(fields) > 0 {
			message = "the body is not JSON: " + fields[0].Message
		}
		return NewFailure(status, "bad_body", message)
	case http.StatusUnsupportedMediaType:
		return NewFailure(status, "unsupported_media_type", "send the body as application/json")
	case http.StatusRequestEntityTooLarge:
		return failureOf(ErrBodyTooLarge)
	case http.StatusRequestTimeout:
		return NewFailure(status, "timeout", "the body took too long to arrive")
	default: // huma calls a body that it can't read to its end a fault of the server
		return NewFailure(http.StatusBadRequest, "bad_body", "the body is broken or was cut off")
	}
}

// unreadField is how encoding/json names a field whose value it can't take.
var unreadField = regexp.MustCompile(`^json: cannot unmarshal .* into Go struct field [^.]*\.(\S+) of type `)

// fieldOfHuma names the field as the request does: huma puts where it stands in front, "body.url", and says
// only in the text which one is missing.
func fieldOfHuma(d *huma.ErrorDetail) FailureField {
	_, name, _ := strings.Cut(d.Location, ".")
	var missing string
	if n, err := fmt.Sscanf(d.Message, validation.MsgExpectedRequiredProperty, &missing); n == 1 && err == nil {
		return FailureField{Field: strings.TrimPrefix(name+"."+missing, "."), Message: "is required"}
	}
	if d.Message == validation.MsgUnexpectedProperty {
		return FailureField{Field: cmp.Or(name, `""`), Message: "unknown field"}
	}
	// A field that is there twice, in upper and lower case, is checked once and read twice.
	if m := unreadField.FindStringSubmatch(d.Message); m != nil {
		return FailureField{Field: m[1], Message: "has the wrong type"}
	}
	return FailureField{Field: name, Message: d.Message}
}
