package vault

import (
	"context"
	"slices"
	"strings"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/policy"
	"github.com/agent-secret-store/assd/store"
	"github.com/agent-secret-store/assd/vault/api"
)

// List is the secrets of ns that the caller sees, without those of namespaces
// below it; of the whole vault when ns is zero. Never values.
func (v *Vault) List(ctx context.Context, req Request, ns policy.Namespace) (list *api.SecretList, err error) {
	err = untilFresh(func() error {
		if list, err = v.collect(req, ns); err != nil {
			return err
		}
		return v.do(ctx, on("secret.list"), req, func(a *act) error { return a.releaseList(ns, list) })
	})
	if err != nil {
		return nil, asAPI(err)
	}
	return list, nil
}

// collect lists, on a snapshot, what the caller sees of ns; nil when it may not
// list it. That is decided again before the list leaves: walking over many
// secrets is not for the writer, who keeps everyone waiting.
func (v *Vault) collect(req Request, ns policy.Namespace) (list *api.SecretList, err error) {
	err = v.db.View(func(s *store.Snapshot) error {
		c, err := v.known(s, req)
		if err != nil || c == nil || !c.mayList(ns) {
			return err
		}
		list, err = v.listed(s, c, ns)
		return err
	})
	return list, err
}

func (v *Vault) listed(r store.Reader, c *caller, ns policy.Namespace) (*api.SecretList, error) {
	list := &api.SecretList{Namespace: ns.String(), Items: []api.SecretInfo{}}
	now := v.now(r)
	err := v.eachSecret(r, ns, c, c.sees, func(p policy.Path, h *header) {
		list.Items = append(list.Items, h.info(p, now))
	})
	return list, err
}

// mayList reports whether the caller sees anything of ns, or of the vault when
// ns is zero: there an empty list is an answer too.
func (c *caller) mayList(ns policy.Namespace) bool {
	return ns.IsZero() || c.lists(ns, false)
}

// releaseList decides on a list that was collected, and records that it leaves.
func (a *act) releaseList(ns policy.Namespace, list *api.SecretList) error {
	if !a.caller.mayList(ns) {
		return a.refuseList(ns)
	}
	if list == nil {
		return errStale
	}
	ev := a.event(audit.SecretList)
	ev.Namespace = ns.String()
	if ns.IsZero() {
		return a.spend(ev, "read:secrets")
	}
	return a.spend(ev, "secrets:read:"+ns.String()+"/*")
}

func (a *act) refuseList(ns policy.Namespace) error {
	ev := a.event(audit.SecretList)
	ev.Namespace = ns.String()
	return a.settle(ev, policy.Decision{Reason: "to list this namespace is beyond the caller's namespaces and scopes"})
}

// eachSecret calls fn with each secret directly in ns, or in the whole vault, that
// sees says yes to; the others it does not look at. What is not there for c is left
// out; without c, nothing is.
func (v *Vault) eachSecret(r store.Reader, ns policy.Namespace, c *caller, sees func(policy.Path) bool, fn func(policy.Path, *header)) error {
	now := v.now(r)
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
		if err != nil || !sees(p) {
			return err == nil, err
		}
		h, err := v.header(r, p)
		if err == nil && c != nil {
			h = h.seenBy(c, now)
		}
		if err == nil && h.exists() {
			fn(p, h)
		}
		return err == nil, err
	})
}

// space is the record of a namespace: how many secrets are directly in it.
type space struct {
	Count    int `json:"count"`
	Expiring int `json:"expiring,omitempty"` // of them, those that expire or have: agents do not count all of those
}

func (s space) plus(o space) space  { return space{s.Count + o.Count, s.Expiring + o.Expiring} }
func (s space) minus(o space) space { return space{s.Count - o.Count, s.Expiring - o.Expiring} }

// counts is what the secret at a header adds to its namespace.
func (h *header) counts() space {
	switch {
	case !h.there():
		return space{}
	case h.expires().IsZero():
		return space{Count: 1}
	}
	return space{Count: 1, Expiring: 1}
}

// recount is the change that adds to the counts of ns, none where there is nothing to
// add.
func (v *Vault) recount(tx *store.Tx, ns policy.Namespace, more space) ([]audit.Change, error) {
	if more == (space{}) {
		return nil, nil
	}
	old, err := load[space](v, tx, store.Namespaces, ns.String())
	if err != nil {
		return nil, err
	}
	if old != nil {
		more = more.plus(*old)
	}
	return []audit.Change{put(store.Namespaces, ns.String(), more)}, nil
}

// Namespaces is the namespaces in which the caller sees a secret, with how many.
// A token that carries namespaces:read alone sees what its holder does.
func (v *Vault) Namespaces(ctx context.Context, req Request) (out []api.Namespace, err error) {
	err = untilFresh(func() error {
		if out, err = v.collectNamespaces(req); err != nil {
			return err
		}
		return v.do(ctx, on("namespaces"), req, func(a *act) error {
			ev := a.event(audit.SecretList)
			if !a.caller.listsNamespaces() {
				return a.settle(ev, policy.Decision{Reason: "no scope of the token allows to list namespaces; ask for namespaces:read"})
			}
			if out == nil {
				return errStale
			}
			return a.spend(ev, "namespaces:read")
		})
	})
	if err != nil {
		return nil, asAPI(err)
	}
	return out, nil
}

// collectNamespaces is collect for the namespaces.
func (v *Vault) collectNamespaces(req Request) (out []api.Namespace, err error) {
	err = v.db.View(func(s *store.Snapshot) error {
		c, err := v.known(s, req)
		if err != nil || c == nil {
			return err
		}
		out, err = v.namespaces(s, c.forNamespaces())
		return err
	})
	return out, err
}

// forNamespaces is the caller as it lists namespaces.
func (c *caller) forNamespaces() *caller {
	if c.token == nil || slices.ContainsFunc(c.token.scopes, func(s policy.Scope) bool { return !s.ListsNamespaces() }) {
		return c
	}
	return &caller{identity: c.identity, kind: c.kind, rules: c.rules}
}

// namespaces lists those in which c sees a secret. Where it sees all of one the
// count is kept; else, and where some may have expired for it, it is counted.
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
	if c.listsWhole(ns) {
		s, err := load[space](v, r, store.Namespaces, ns.String())
		if err != nil || s == nil {
			return 0, err
		}
		if c.owner() || s.Expiring == 0 {
			return s.Count, nil
		}
	}
	if !c.lists(ns, false) {
		return 0, nil
	}
	err = v.eachSecret(r, ns, c, c.sees, func(policy.Path, *header) { n++ })
	return n, err
}
