package gate

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// errLogin means that a client shows no token, or a wrong one.
var errLogin = errors.New("wrong login")

// greet passes the server's greeting on, which says whether a login is needed.
func (g *Gate) greet(s *session) error {
	line, err := readLine(s.fromServer)
	if err != nil {
		return ended(err)
	}
	text, ok := bytes.CutPrefix(line, []byte("INFO "))
	var info map[string]json.RawMessage
	if !ok || json.Unmarshal(text, &info) != nil {
		return fmt.Errorf("the NATS server greets with %q", line)
	}
	delete(info, "auth_required")
	if !g.tokens.Load().service.IsZero() {
		info["auth_required"] = json.RawMessage("true")
	}
	if g.secure != nil {
		info["tls_required"] = json.RawMessage("true")
	}
	greeting, err := json.Marshal(info)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.client, "INFO %s\r\n", greeting)
	return err
}

// handshakeTime is how long a client may take to begin TLS.
const handshakeTime = 5 * time.Second

// encrypt goes on with TLS, if that is asked of clients: in NATS it begins after the greeting.
func (g *Gate) encrypt(s *session) error {
	if g.secure == nil {
		return nil
	}
	conn := tls.Server(s.client, g.secure)
	if err := conn.SetDeadline(time.Now().Add(handshakeTime)); err != nil {
		return err
	}
	if err := conn.Handshake(); err != nil {
		return err
	}
	s.client = conn
	return conn.SetDeadline(time.Time{})
}

// passedOn is what of a client's CONNECT the server gets: all but the login, which is the gate's.
var passedOn = []string{
	"verbose", "pedantic", "echo", "protocol", "headers", "no_responders", "name", "lang", "version",
}

// login reads a client's first line, and logs it in.
func (g *Gate) login(s *session) (role string, err error) {
	line, err := readLine(s.fromClient)
	if err != nil {
		return "", ended(err)
	}
	verb, text, _ := bytes.Cut(line, []byte(" "))
	var said map[string]json.RawMessage
	if !bytes.EqualFold(verb, []byte("CONNECT")) || json.Unmarshal(text, &said) != nil {
		return "", s.fail(errProtocol)
	}
	if role = g.role(said); role == "" {
		fmt.Fprintf(s.client, "-ERR 'Authorization Violation'\r\n") //nolint:errcheck // it is cut off in any case
		return "", errLogin
	}
	own := map[string]any{"user": role, "pass": g.password}
	for _, key := range passedOn {
		if value, ok := said[key]; ok {
			own[key] = value
		}
	}
	connect, err := json.Marshal(own)
	if err != nil {
		return "", err
	}
	s.write("CONNECT", connect)
	return role, nil
}

// role is as whom a client is let in; empty: not at all. Any other login than a token is none that the gate knows.
func (g *Gate) role(said map[string]json.RawMessage) string {
	var token string
	for key, value := range said {
		switch key {
		case "auth_token":
			if json.Unmarshal(value, &token) != nil {
				return ""
			}
		case "user", "pass", "jwt", "nkey":
			if text := string(value); text != `""` && text != "null" {
				return ""
			}
		}
	}
	switch known := g.tokens.Load(); {
	case !known.admin.IsZero() && same(token, known.admin.Reveal()):
		return userJethook
	case same(token, known.service.Reveal()): // both may be empty
		return userService
	default:
		return ""
	}
}
