package main

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/agent-secret-store/assd/cmd/ass/internal/assrc"
	"github.com/agent-secret-store/assd/vault/api"
	"github.com/agent-secret-store/assd/vault/client"
)

// trust is what vouches for a daemon on TLS, and for us to it. "" is none; the
// paths are absolute.
type trust struct {
	caCert, fingerprint   string // for the daemon
	clientCert, clientKey string // for us
}

// givenTrust is what flags and environment say, each setting for itself.
func (a *app) givenTrust() (t trust, err error) {
	if t.caCert, err = givenFile(a.CACert, "--ca-cert", assrc.CACert); err != nil {
		return t, err
	}
	if t.fingerprint, err = givenFingerprint(a.Fingerprint); err != nil {
		return t, err
	}
	if t.clientCert, err = givenFile(a.ClientCert, "--client-cert", assrc.ClientCert); err != nil {
		return t, err
	}
	t.clientKey, err = givenFile(a.ClientKey, "--client-key", assrc.ClientKey)
	return t, err
}

// given is the value of a flag or, without one, of the environment.
func given(flag *string, name, env string) (string, error) {
	if flag == nil {
		return os.Getenv(env), nil
	}
	if *flag == "" {
		return "", usage(name+" is empty", "leave it out to use "+env+" or ~/.assrc")
	}
	return *flag, nil
}

func givenFile(flag *string, name, env string) (string, error) {
	path, err := given(flag, name, env)
	if err != nil || path == "" {
		return "", err
	}
	if path, err = filepath.Abs(path); err != nil {
		return "", usage(name+" is relative, and there is no working directory: "+err.Error(), "give an absolute path")
	}
	return path, nil
}

func givenFingerprint(flag *string) (string, error) {
	s, err := given(flag, "--fingerprint", assrc.Fingerprint)
	if err != nil || s == "" {
		return "", err
	}
	if s, err = api.ParseFingerprint(strings.TrimSpace(s)); err != nil {
		return "", usage(err.Error(), "copy the one that assd printed at its start, or ass vault cert on its machine")
	}
	return s, nil
}

// keptTrust is what ~/.assrc says. A relative path there would mean another file
// in every folder.
func keptTrust(rc *assrc.File) (trust, error) {
	t := trust{
		caCert: rc.Get(assrc.CACert), fingerprint: rc.Get(assrc.Fingerprint),
		clientCert: rc.Get(assrc.ClientCert), clientKey: rc.Get(assrc.ClientKey),
	}
	for name, path := range map[string]string{assrc.CACert: t.caCert, assrc.ClientCert: t.clientCert, assrc.ClientKey: t.clientKey} {
		if path != "" && !filepath.IsAbs(path) {
			return t, &fault{code: codeFailed, message: name + " in ~/.assrc is not an absolute path", hint: "correct it, or remove the line and run: ass login"}
		}
	}
	if t.fingerprint != "" {
		var err error
		if t.fingerprint, err = api.ParseFingerprint(t.fingerprint); err != nil {
			return t, &fault{code: codeFailed, message: "ASS_FINGERPRINT in ~/.assrc: " + err.Error(), hint: "correct it, or remove the line and run: ass login"}
		}
	}
	return t, nil
}

// or fills t with what is kept for the same daemon. CA and fingerprint belong
// together: what is given beside them replaces both, unless it says the same.
func (t trust) or(kept trust) trust {
	agrees := (t.caCert == "" || t.caCert == kept.caCert) && (t.fingerprint == "" || t.fingerprint == kept.fingerprint)
	if agrees {
		t.caCert, t.fingerprint = kept.caCert, kept.fingerprint
	}
	if t.clientCert == "" && t.clientKey == "" {
		t.clientCert, t.clientKey = kept.clientCert, kept.clientKey
	}
	return t
}

// conflict is why the key of ~/.assrc is not sent: something vouches for another
// daemon than what was kept with it.
type conflict struct {
	how string // continues "the key in ~/.assrc"
	fix string
}

// conflict finds one, or nil. What is given for a URL without TLS is refused by
// the client, whatever was kept.
func (a *app) conflict(t *target) *conflict {
	switch {
	case !t.endpoint.TLS():
		return nil
	case t.given.caCert != "" && t.given.caCert != t.kept.caCert:
		return a.mismatch("CA file", t.kept.caCert, source(a.CACert, "--ca-cert", assrc.CACert))
	case t.given.fingerprint != "" && t.given.fingerprint != t.kept.fingerprint:
		return a.mismatch("fingerprint", t.kept.fingerprint, source(a.Fingerprint, "--fingerprint", assrc.Fingerprint))
	case t.kept.caCert == "" && t.kept.fingerprint == "":
		return a.otherRoots()
	}
	return nil
}

// otherRoots is the conflict of a key that was kept with this system's issuers
// and an environment that puts others in their place: crypto/x509 reads these
// two variables.
func (a *app) otherRoots() *conflict {
	for _, name := range []string{"SSL_CERT_FILE", "SSL_CERT_DIR"} {
		if os.Getenv(name) != "" {
			return &conflict{
				how: "was kept with the issuers of this system and is not sent where " + name + " gives others",
				fix: "unset " + name + " to use that key, or give the key in ASS_AGENT_KEY; to keep with it who vouches for the daemon: " +
					a.loginCommand() + " --ca-cert FILE",
			}
		}
	}
	return nil
}

// trustFault names the flag, and not the file that it gives, where that is not there.
func (a *app) trustFault(e *client.FileError) error {
	if isThere(e.Path) {
		return e
	}
	for _, f := range []struct {
		name  string
		value *string
	}{{"--ca-cert", a.CACert}, {"--client-cert", a.ClientCert}, {"--client-key", a.ClientKey}} {
		if f.value == nil {
			continue
		}
		if path, err := filepath.Abs(*f.value); err == nil && path == e.Path {
			return fileFault(codeFailed, "the file of "+f.name, "used", e.Err, e.Hint())
		}
	}
	return e
}

// source is where a setting was given: flag or, without one, environment.
func source(flag *string, name, env string) string {
	if flag != nil {
		return name
	}
	return env
}

// mismatch is the conflict of a setting, given as name, with the one that was
// kept.
func (a *app) mismatch(noun, kept, name string) *conflict {
	c := &conflict{fix: "leave out " + name + " to use that key; to log in with it: " + a.loginCommand()}
	if kept == "" {
		c.how = "was kept without a " + noun + " and is not sent where " + name + " gives one"
	} else {
		c.how = "was kept with another " + noun + " than " + name + " gives, and is not sent"
	}
	return c
}

// apply puts t into the settings of a client.
func (t trust) apply(cfg *client.Config) {
	cfg.CACert, cfg.Fingerprint = t.caCert, t.fingerprint
	cfg.ClientCert, cfg.ClientKey = t.clientCert, t.clientKey
}

// String says what vouches for the daemon.
func (t trust) String() string {
	switch {
	case t.caCert != "" && t.fingerprint != "":
		return "key " + t.fingerprint + ", issuer in " + t.caCert
	case t.fingerprint != "":
		return "key " + t.fingerprint
	case t.caCert != "":
		return "issuer in " + t.caCert
	}
	return "issuer among those of this system"
}
