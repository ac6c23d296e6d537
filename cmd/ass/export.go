package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/agent-secret-store/assd/policy"
	"github.com/agent-secret-store/assd/vault/api"
	"github.com/agent-secret-store/assd/vault/client"
)

// exportRequest is what a command wants the values of: all secrets directly in some
// namespaces, or those of some keys.
type exportRequest struct {
	namespaces []policy.Namespace
	keys       []string // nil: all
	purpose    string   // api.ForExport or api.ForRun
}

// keyList is --keys: A,B. Given and empty, as an unset variable leaves it, it is not
// all keys but an empty one.
type keyList []string

// Decode adds the keys of one flag.
func (l *keyList) Decode(ctx *kong.DecodeContext) error {
	var text string
	if err := ctx.Scan.PopValueInto("keys", &text); err != nil {
		return err
	}
	*l = append(*l, strings.Split(text, ",")...)
	return nil
}

// in are the keys, for secrets in ns; nil is all. The error does not repeat them.
func (l keyList) in(ns policy.Namespace) (keys []string, err error) {
	for _, text := range l {
		key := strings.Trim(text, " ")
		p, err := policy.ParsePath(ns.String() + "/" + key)
		if err != nil || p.Namespace() != ns {
			return nil, usage("--keys: one is no key", "name them like --keys OPENAI_API_KEY,DATABASE_URL")
		}
		if !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
	}
	return keys, nil
}

// export fetches the values, all of them or none, with one token: each is a read in
// the trail. An agent may wait for an approval; an owner is asked for the passphrase
// where one of the secrets needs it.
func (c *access) export(a *app, req exportRequest) (secrets []api.Secret, err error) {
	cl, err := a.connect()
	if err != nil {
		return nil, err
	}
	want := api.ExportRequest{Namespaces: req.names(), Keys: req.keys, Purpose: req.purpose, Reason: c.Reason}
	err = c.Wait.patiently(a, cl, func() error {
		return a.withPassphrase(req.act(), func(passphrase *string) error {
			s, err := c.exporter(a, cl, req, passphrase)
			if err != nil {
				return err
			}
			secrets, err = s.Export(a.ctx, want)
			return err
		})
	})
	a.noteExpired(secrets)
	return secrets, err
}

// noteExpired names the secrets that an owner alone is given any more.
func (a *app) noteExpired(secrets []api.Secret) {
	var names []string
	for _, s := range secrets {
		if s.Expired {
			names = append(names, foreign(s.Namespace+"/"+s.Key, maxName))
		}
	}
	if len(names) > 0 {
		a.note("Expired, and not there for agents any more: " + strings.Join(names, ", "))
	}
}

// act is what the passphrase is asked for.
func (req exportRequest) act() string {
	act := "export " + strings.Join(req.names(), " and ")
	if req.purpose == api.ForRun {
		act = "run a command with " + strings.Join(req.names(), " and ")
	}
	if req.keys != nil {
		act += " (" + foreign(strings.Join(req.keys, ", "), maxMessage) + ")"
	}
	return act
}

func (req exportRequest) names() (names []string) {
	for _, ns := range req.namespaces {
		names = append(names, ns.String())
	}
	return names
}

// scopes are what a token needs: just the keys, if they are named and fit into one.
func (req exportRequest) scopes() (scopes []string) {
	for _, ns := range req.names() {
		for _, key := range req.keys {
			scopes = append(scopes, "secrets:read:"+ns+"/"+key)
		}
	}
	if len(scopes) > 0 && fitToken(scopes) {
		return scopes
	}
	return req.whole()
}

// whole are the scopes of all that is in the namespaces.
func (req exportRequest) whole() (scopes []string) {
	for _, ns := range req.names() {
		scopes = append(scopes, "secrets:read:"+ns+"/*")
	}
	return scopes
}

func fitToken(scopes []string) bool { return len(strings.Join(scopes, "")) <= api.MaxScopes }

// exporter is a session with a token that can export what is asked for. One that is
// made with the passphrase has to name each secret.
func (c *access) exporter(a *app, cl *client.Client, req exportRequest, passphrase *string) (*client.Session, error) {
	if passphrase == nil {
		return c.scoped(a, cl, "read:secrets", req.scopes())
	}
	s, err := c.scoped(a, cl, "read:secrets", req.whole())
	if err != nil {
		return nil, err
	}
	var scopes []string
	there := map[string]bool{}
	for _, ns := range req.namespaces {
		l, err := s.Secrets(a.ctx, ns)
		if err != nil {
			return nil, err
		}
		for _, i := range l.Items {
			if req.keys == nil || slices.Contains(req.keys, i.Key) {
				scopes = append(scopes, "secrets:read:"+ns.String()+"/"+i.Key)
				there[i.Key] = true
			}
		}
	}
	for _, key := range req.keys {
		if !there[key] { // for the daemon to say so
			scopes = append(scopes, "secrets:read:"+req.namespaces[0].String()+"/"+key)
		}
	}
	return c.exactly(a, cl, scopes, passphrase)
}

// scoped is a session with a token of these scopes. Who reaches single secrets of a
// namespace is not given a scope of all of it; the relative one means whatever its
// holder reaches.
func (c *access) scoped(a *app, cl *client.Client, relative string, scopes []string) (*client.Session, error) {
	s, err := cl.WithToken(a.ctx, api.TokenRequest{Scopes: scopes, Reason: c.Reason})
	if errors.Is(err, &api.Error{Code: api.CodeScopeDenied}) {
		return cl.WithToken(a.ctx, api.TokenRequest{Scopes: []string{relative}, Reason: c.Reason})
	}
	return s, err
}

// exactly is a session with a token that the passphrase makes, for just these
// scopes.
func (c *access) exactly(a *app, cl *client.Client, scopes []string, passphrase *string) (*client.Session, error) {
	if !fitToken(scopes) {
		return nil, api.New(api.CodeTooLarge, fmt.Sprintf("one of the secrets needs the passphrase, and a token made with it has to name each: the names of these %d are over its %d bytes",
			len(scopes), api.MaxScopes)).WithHint("name fewer at once, with --keys A,B")
	}
	return cl.WithToken(a.ctx, api.TokenRequest{Scopes: scopes, Passphrase: passphrase})
}
