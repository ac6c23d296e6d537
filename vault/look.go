package vault

import (
	"context"
	"errors"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/store"
	"github.com/agent-secret-store/assd/vault/api"
)

// look runs fn on a snapshot for a key: it changes nothing and releases no
// value, so it leaves no event. A caller that may not look is refused, with one.
func (v *Vault) look(ctx context.Context, req Request, action audit.Action, ownersOnly bool, fn func(store.Reader, *caller) error) error {
	allowed := true
	err := v.db.View(func(s *store.Snapshot) error {
		c, err := v.known(s, req)
		if err != nil {
			return err
		}
		if c == nil || c.token != nil || ownersOnly && !c.owner() {
			allowed = false
			return nil
		}
		return fn(s, c)
	})
	if err == nil && allowed {
		allowed, err = v.confirm(ctx, req)
	}
	if err != nil || allowed {
		return asAPI(err)
	}
	return v.refuseLook(ctx, req, action, ownersOnly)
}

// confirm looks the caller up once more where the ledger is, and reports whether it
// is still known: a snapshot cannot tell a record that was put back to an older
// state. It changes nothing, so a full disk does not matter.
func (v *Vault) confirm(ctx context.Context, req Request) (still bool, err error) {
	err = v.db.UpdateReserved(ctx, func(tx *store.Tx) error {
		c, err := v.known(tx, req)
		still = c != nil
		return err
	})
	return still, err
}

// Admit lets a caller pass that has a key or token of this vault, and says whose
// it is; anyone else it refuses, with an event. It is asked before a body is read;
// what the caller may do is decided later.
func (v *Vault) Admit(ctx context.Context, req Request) (Holder, error) {
	h, err := v.holder(req)
	if _, failed := asUnauthorized(err); failed {
		return Holder{}, v.do(ctx, on("me"), req, func(*act) error { return errRetry })
	}
	return h, asAPI(err)
}

// Holder is whose key or token a request bears. The zero value is nobody's.
type Holder struct {
	ID    string
	Owner bool
}

// Holder is whose key or token req bears now, as far as a snapshot tells. What
// that identity may do is decided elsewhere.
func (v *Vault) Holder(req Request) Holder {
	h, err := v.holder(req)
	if err != nil {
		return Holder{}
	}
	return h
}

func (v *Vault) holder(req Request) (h Holder, err error) {
	err = v.db.View(func(s *store.Snapshot) error {
		c, err := v.resolve(s, req.Credential, req.Origin)
		if err == nil {
			h = Holder{c.ID, c.owner()}
		}
		return err
	})
	return h, err
}

// refuseLook writes the refusal that look came to.
func (v *Vault) refuseLook(ctx context.Context, req Request, action audit.Action, ownersOnly bool) error {
	return v.do(ctx, on("me"), req, func(a *act) error {
		if ownersOnly {
			if err := a.ownerOnly(action); err != nil {
				return err
			}
		} else if a.caller.token != nil {
			const reason = "a token does not open this; the key does"
			return refuse(a.event(action), api.New(api.CodeScopeDenied, reason), reason)
		}
		return errRetry
	})
}

// errRetry: what was refused on the snapshot was allowed a moment later.
var errRetry = error(api.New(api.CodeConflict, "the rights of this key are just changing").WithHint("try again"))

// Me describes the holder of a key.
func (v *Vault) Me(ctx context.Context, req Request) (api.Me, error) {
	me := api.Me{Plan: "self-hosted", SubscriptionStatus: "active", HasSubscription: true, Tenant: v.tenant, VerifyKey: v.VerifyKey()}
	err := v.look(ctx, req, audit.MeRead, false, func(r store.Reader, c *caller) error {
		me.ID, me.Name, me.Kind, me.AgentCount = c.ID, c.Name, string(c.kind), 1
		if c.owner() {
			me.Chain = v.Chain()
			me.AgentCount = 0
			if err := v.eachAgent(r, func(*identity) { me.AgentCount++ }); err != nil {
				return err
			}
			var err error
			if me.Protection, err = v.protection(r, c); err != nil {
				return err
			}
		}
		last, err := v.lockdown(r)
		if err != nil {
			return err
		}
		me.Lockdown = last.describe()
		spaces, err := v.namespaces(r, c)
		for _, n := range spaces {
			me.SecretCount += n.SecretCount
		}
		me.NamespaceCount = len(spaces)
		return err
	})
	if err == nil {
		v.active.touch(me.ID, v.cfg.Now())
	}
	return me, err
}

// Audit is a page of the trail, for owners. inTime is how many events there are from
// f.Since until f.Until.
func (v *Vault) Audit(ctx context.Context, req Request, f audit.Filter, limit int) (events []audit.Stored, next, inTime uint64, err error) {
	err = v.look(ctx, req, audit.AuditRead, true, func(store.Reader, *caller) error { return nil })
	if err != nil {
		return nil, 0, 0, err
	}
	page, err := v.log.Query(ctx, v.db, f, limit)
	if _, tampered := errors.AsType[*audit.TamperError](err); tampered {
		v.die(err)
	}
	return page.Events, page.Next, page.InTime, asAPI(err)
}

// JWKS is the public keys of the tokens.
func (v *Vault) JWKS() api.JWKS { return api.JWKS{Keys: []map[string]string{v.tokens.Load().public()}} }

// Alive is nil while the vault may serve.
func (v *Vault) Alive() error { return errors.Join(v.Err(), v.db.Failed()) }
