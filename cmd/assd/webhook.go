package main

import (
	"crypto/x509"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/internal/operator"
	"github.com/agent-secret-store/assd/policy"
	"github.com/agent-secret-store/assd/vault"
	"github.com/agent-secret-store/assd/vault/webhook"
)

// hook is one table [[webhook]] of the configuration file.
type hook struct {
	name       string
	url        webhook.URL
	events     []audit.Pattern
	secretFile string
	caFile     string // "": the system's issuers
}

// The bounds of a table.
const (
	maxEvents = 100
	maxRoots  = 1 << 20 // bytes of a file of certificates
)

var hookNames = []string{"name", "url", "events", "secret_file", "ca_file"}

// readHooks reads the tables strictly; nil is none. It opens no file.
func readHooks(value any) (all []hook, err error) {
	tables, err := listOf("webhook", value, vault.MaxWebhooks)
	if err != nil {
		return nil, err
	}
	for i, values := range tables {
		h, err := readHook(values)
		if err != nil {
			return nil, fmt.Errorf("[[webhook]] %d: %w", i+1, err)
		}
		if slices.ContainsFunc(all, func(other hook) bool { return strings.EqualFold(other.name, h.name) }) {
			return nil, fmt.Errorf(`[[webhook]] %d: another one is called %s: give each a name of its own, as in name = "chat"`, i+1, h.name)
		}
		all = append(all, h)
	}
	return all, nil
}

func readHook(values map[string]any) (h hook, err error) {
	if err := setAll(values, h.set); err != nil {
		return h, err
	}
	switch {
	case h.url.Host() == "":
		return h, errors.New(`url is missing: url = "https://hooks.example.com/ass"`)
	case len(h.events) == 0:
		return h, errors.New(`events is missing: events = ["approval.request"]`)
	case h.secretFile == "":
		return h, errors.New(`secret_file is missing: secret_file = "/etc/assd/hook.secret"`)
	}
	if h.name == "" {
		if h.name = h.url.Host(); policy.CheckName(h.name) != nil {
			return h, errors.New(`name is missing, and the host cannot be one: name = "chat"`)
		}
	}
	return h, nil
}

// set takes one setting. No error repeats a URL: it may hold a token.
func (h *hook) set(name string, value any) (err error) {
	if name == "events" {
		h.events, err = readEvents(value)
		return err
	}
	text, ok := value.(string)
	switch {
	case !slices.Contains(hookNames, name):
		return unknownIn("webhook", name, hookNames)
	case !ok:
		return fmt.Errorf("%s is text in quotes", name)
	}
	switch name {
	case "name":
		if err := policy.CheckName(text); err != nil {
			return fmt.Errorf("name: %w", err)
		}
		h.name = text
	case "url":
		if h.url, err = webhook.ParseURL(text); err != nil {
			return fmt.Errorf("url: %w", err)
		}
	case "secret_file":
		h.secretFile, err = absolute(name, text)
	case "ca_file":
		h.caFile, err = absolute(name, text)
	}
	return err
}

func absolute(name, path string) (string, error) {
	if !filepath.IsAbs(path) {
		return "", fmt.Errorf("%s is a path from the root, as in %s = %q", name, name, "/etc/assd/"+map[string]string{"secret_file": "hook.secret", "ca_file": "ca.pem"}[name])
	}
	return filepath.Clean(path), nil
}

func readEvents(value any) (all []audit.Pattern, err error) {
	list, ok := value.([]any)
	if !ok || len(list) == 0 || len(list) > maxEvents {
		return nil, fmt.Errorf(`events is a list of 1 to %d actions in quotes, as in events = ["approval.request", "secret.rotate"]`, maxEvents)
	}
	for _, x := range list {
		text, ok := x.(string)
		if !ok {
			return nil, errors.New(`events: an action is text in quotes, as in "approval.request"`)
		}
		p, err := audit.ParsePattern(text)
		switch {
		case errors.Is(err, audit.ErrUnknownAction):
			return nil, fmt.Errorf("events: there is no action %q%s", text, nearAction(text))
		case err != nil:
			return nil, fmt.Errorf("events: %w", err)
		case slices.Contains(all, p):
			return nil, fmt.Errorf("events: %q stands there twice", text)
		}
		all = append(all, p)
	}
	return all, nil
}

// nearAction is what may have been meant.
func nearAction(text string) string {
	var known []string
	for _, a := range audit.Actions() {
		if p, err := audit.ParsePattern(string(a)); err == nil {
			known = append(known, string(p), string(a.Denied()), a.Room()+".*")
		}
	}
	if near := nearest(text, known); near != "" {
		return "; is it " + near + "?"
	}
	return `; they are those of the trail, like "approval.request", or all that begin alike, like "approval.*"`
}

// openHooks reads the files that the tables name, and makes the receivers of them.
func openHooks(hooks []hook) ([]vault.Webhook, error) {
	all := make([]vault.Webhook, 0, len(hooks))
	for _, h := range hooks {
		w, err := h.open()
		if err != nil {
			return nil, fmt.Errorf("webhook %s: %w", h.name, err)
		}
		all = append(all, w)
	}
	return all, nil
}

func (h hook) open() (w vault.Webhook, err error) {
	w = vault.Webhook{Name: h.name, Events: h.events, To: webhook.Config{URL: h.url}}
	if w.To.Secrets, err = readSecrets(h.secretFile); err != nil || h.caFile == "" {
		return w, err
	}
	w.To.Roots, err = readRoots(h.caFile)
	return w, err
}

func readSecrets(path string) ([]webhook.Secret, error) {
	f := operator.File{Path: path, Max: webhook.MaxSecrets, What: "secret_file", Closed: 0o077, Fix: "go-rwx"}
	text, err := f.Read()
	defer clear(text)
	if err != nil {
		return nil, err
	}
	secrets, err := webhook.ParseSecrets(text)
	if err != nil {
		return nil, fmt.Errorf(`secret_file %q: %w; what to write into it prints: echo "whsec_$(openssl rand -base64 32)"`, path, err)
	}
	return secrets, nil
}

func readRoots(path string) (*x509.CertPool, error) {
	text, err := operator.File{Path: path, Max: maxRoots, What: "ca_file"}.Read()
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("ca_file %q holds no certificate in PEM", path)
	}
	return pool, nil
}
