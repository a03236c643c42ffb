package config

import (
	"path/filepath"

	"jethook/config/token"
)

// AdminTokenFile is where a generated admin token is kept.
func (c *Config) AdminTokenFile() string { return filepath.Join(c.DataDir, "admin-token") }

// NATSAdminTokenFile is where a generated token of the embedded server's administrators is kept.
func (c *Config) NATSAdminTokenFile() string { return filepath.Join(c.DataDir, "nats-admin-token") }

// EnsureAdminToken returns the token of the admin API: AdminToken if it is set, else the one in
// [Config.AdminTokenFile], which it makes if there is none. Processes that start at the same time agree on one.
func (c *Config) EnsureAdminToken() (Secret, error) {
	return setOr(c.AdminToken, c.keptAdminToken().Ensure)
}

// ReadAdminToken returns the token for a client of the admin API on this machine: AdminToken if it is set,
// else the one that the server keeps in [Config.AdminTokenFile]. Without one, the error says where it was
// looked for and what to set.
func (c *Config) ReadAdminToken() (Secret, error) {
	return setOr(c.AdminToken, c.keptAdminToken().Read)
}

// EnsureNATSAdminToken is [Config.EnsureAdminToken] for the token that opens the embedded NATS server to an operator.
func (c *Config) EnsureNATSAdminToken() (Secret, error) {
	kept := token.Kept{File: c.NATSAdminTokenFile(), Name: "NATS admin token", Variable: "JETHOOK_NATS_ADMIN_TOKEN"}
	return setOr(c.NATSAdminToken, kept.Ensure)
}

func (c *Config) keptAdminToken() token.Kept {
	return token.Kept{File: c.AdminTokenFile(), Name: "admin token", Variable: "JETHOOK_ADMIN_TOKEN"}
}

// setOr returns the token that is set, or else the one that is kept.
func setOr(set Secret, kept func() (string, error)) (Secret, error) {
	if !set.IsZero() {
		return set, nil
	}
	text, err := kept()
	return NewSecret(text), err
}
