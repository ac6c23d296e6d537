package vault

import (
	"context"
	"strings"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/policy"
	"github.com/agent-secret-store/assd/store"
	"github.com/agent-secret-store/assd/vault/api"
)

// List is the secrets of ns that the caller sees, without those of namespaces
// below it; of the whole vault when ns is zero. Never values.
func (v *Vault) List(ctx context.Context, req Request, ns policy.Namespace) (*api.SecretList, error) {
	var out *api.SecretList
	err := v.do(ctx, req, func(a *act) (err error) {
		if !ns.IsZero() && !a.caller.lists(ns, false) {
			ev := a.event(audit.SecretList)
			ev.Namespace = ns.String()
			return a.settle(ev, policy.Decision{Reason: "to list this namespace is beyond the caller's namespaces and scopes"})
		}
		out, err = a.list(ns)
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// list lists what the caller sees, and records that.
func (a *act) list(ns policy.Namespace) (*api.SecretList, error) {
	out := &api.SecretList{Namespace: ns.String(), Items: []api.SecretInfo{}}
	err := a.v.eachSecret(a.tx, ns, func(p policy.Path, h *header) {
		if a.caller.sees(p) {
			out.Items = append(out.Items, h.info(p))
		}
	})
	if err != nil {
		return nil, err
	}
	ev := a.event(audit.SecretList)
	ev.Namespace = ns.String()
	scope := "read:secrets"
	if !ns.IsZero() {
		scope = "secrets:read:" + ns.String() + "/*"
	}
	return out, a.spend(ev, scope)
}

// eachSecret calls fn with each secret directly in ns, or with all of them.
func (v *Vault) eachSecret(r store.Reader, ns policy.Namespace, fn func(policy.Path, *header)) error {
	prefix := ""
	if !ns.IsZero() {
		prefix = ns.String() + "/"
	}
	return r.Scan(store.Secrets, []byte(prefix), func(k, _ []byte) (bool, error) {
		rest, inside := strings.CutPrefix(string(k), prefix)
		if !inside {
			return false, nil
		}
		if prefix != "" && strings.Contains(rest, "/") {
			return true, nil
		}
		p, err := policy.ParsePath(string(k))
		if err != nil {
			return false, err
		}
		h, err := v.header(r, p)
		if err == nil && h.exists() {
			fn(p, h)
		}
		return err == nil, err
	})
}

// space is the record of a namespace: how many secrets are directly in it.
type space struct {
	Count int `json:"count"`
}

// recount is the change that adds n to the count of ns.
func (a *act) recount(ns policy.Namespace, n int) (audit.Change, error) {
	old, err := load[space](a.v, a.tx, store.Namespaces, ns.String())
	if err != nil {
		return audit.Change{}, err
	}
	next := space{n}
	if old != nil {
		next.Count += old.Count
	}
	return put(store.Namespaces, ns.String(), next), nil
}

// Namespaces is the namespaces in which the caller sees a secret, with how many.
func (v *Vault) Namespaces(ctx context.Context, req Request) ([]api.Namespace, error) {
	var out []api.Namespace
	err := v.do(ctx, req, func(a *act) (err error) {
		ev := a.event(audit.SecretList)
		if !a.caller.listsNamespaces() {
			return a.settle(ev, policy.Decision{Reason: "no scope of the token allows to list namespaces; ask for namespaces:read"})
		}
		if out, err = v.namespaces(a.tx, a.caller.identityAlone()); err != nil {
			return err
		}
		return a.spend(ev, "namespaces:read")
	})
	return out, err
}

// identityAlone is the caller without its token: namespaces:read shows what the
// holder of the token could list.
func (c *caller) identityAlone() *caller {
	return &caller{identity: c.identity, kind: c.kind}
}

// namespaces lists those in which c sees a secret. Where it sees all of one the
// count is kept; else it is counted.
func (v *Vault) namespaces(r store.Reader, c *caller) ([]api.Namespace, error) {
	out := []api.Namespace{}
	err := r.Scan(store.Namespaces, nil, func(k, _ []byte) (bool, error) {
		ns, err := policy.ParseNamespace(string(k))
		if err != nil {
			return false, err
		}
		n, err := v.count(r, c, ns)
		if n > 0 {
			out = append(out, api.Namespace{Name: ns.String(), Namespace: ns.String(), SecretCount: n})
		}
		return err == nil, err
	})
	return out, err
}

func (v *Vault) count(r store.Reader, c *caller, ns policy.Namespace) (n int, err error) {
	if c.lists(ns, true) {
		s, err := load[space](v, r, store.Namespaces, ns.String())
		if err != nil || s == nil {
			return 0, err
		}
		return s.Count, nil
	}
	if !c.lists(ns, false) {
		return 0, nil
	}
	err = v.eachSecret(r, ns, func(p policy.Path, _ *header) {
		if c.sees(p) {
			n++
		}
	})
	return n, err
}
