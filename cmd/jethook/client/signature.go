package client

import (
	"strings"

	"github.com/spf13/pflag"

	"jethook/consume/endpoint/signing"
)

// signatureFlags are the fields of a signature, and what the flags --signature-FIELD mean; its scheme is --signature itself.
var signatureFlags = [][2]string{
	{"like", "hmac: sign like this sender: " + strings.Join(signing.Likes(), ", ")},
	{"header", "hmac: the header that carries the signature; bearer: a header for the timestamp"},
	{"algorithm", "hmac: sha256, sha1, or sha512 (default sha256)"},
	{"encoding", "hmac: hex, base64, or base64url (default hex)"},
	{"prefix", "hmac: text before the signature, such as sha256="},
	{"template", "hmac: the whole header value, with {signature}, {timestamp}, and {id}"},
	{"signed", "hmac: the text to sign, with {body}, {timestamp}, {id}, and {url} (default {body})"},
	{"timestamp", "hmac: an additional header for the timestamp in Unix seconds"},
}

// AddSignatureFlags adds --NAME and a flag for each other field of a signature.
func AddSignatureFlags(f *pflag.FlagSet, name, meaning string) {
	f.String(name, "", meaning+": standard, hmac, or bearer (default standard)")
	for _, field := range signatureFlags {
		f.String(name+"-"+field[0], "", field[1])
	}
}

// SignatureFields reads the flags of [AddSignatureFlags]; nil when none is given.
func SignatureFields(f *pflag.FlagSet, name string) map[string]string {
	var fields map[string]string
	read := func(flag, field string) {
		if !f.Changed(flag) {
			return
		}
		if fields == nil {
			fields = map[string]string{}
		}
		fields[field] = f.Lookup(flag).Value.String()
	}
	read(name, "scheme")
	for _, field := range signatureFlags {
		read(name+"-"+field[0], field[0])
	}
	return fields
}
