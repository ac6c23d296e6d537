package vault

import (
	"errors"
	"slices"
	"time"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/policy"
	"github.com/agent-secret-store/assd/store"
	"github.com/agent-secret-store/assd/vault/api"
)

// Credential is a key or a token as it was presented: well formed, and a token's
// signature checked. Whether it still counts is decided inside the transaction.
type Credential struct {
	keyHash string // of a key
	claims  claims // of a token
	failed  string // why it cannot be one: nobody presented anything, a typo, a foreign token
}

// IsToken reports whether it is a token rather than a key.
func (c Credential) IsToken() bool { return c.claims.ID != "" }

// Bearer tells credentials apart by whoever bears them: the holder that a token's
// signed claims name, or the hash of a key. "" is nobody. It says nothing about
// what the credential is worth.
func (c Credential) Bearer() string {
	if c.IsToken() {
		return c.claims.Subject
	}
	return c.keyHash
}

// Present reads a key or a token from a request. It never fails: what is no
// credential is refused, and counted, by the act it was presented for.
func (v *Vault) Present(text string) Credential {
	switch {
	case text == "":
		return Credential{failed: "no key or token was sent"}
	case isKey(text):
		hash, err := hashKey(text)
		if err != nil {
			return Credential{failed: err.Error()}
		}
		return Credential{keyHash: hash}
	}
	c, err := v.tokens.Load().check(text, v.cfg.Now())
	if err != nil {
		return Credential{failed: "it is neither a key nor a token of this vault"}
	}
	return Credential{claims: c}
}

// caller is who acts, as true inside one transaction.
type caller struct {
	*identity
	kind      kind
	token     *token       // nil when the identity's own key acts
	rules     policy.Bound // that bind it where it is
	stepUp    bool         // an owner, and the vault has an approval passphrase
	steppedUp bool         // the passphrase came with this very act
}

func (c *caller) actor() audit.Actor {
	return audit.Actor{ID: c.ID, Kind: string(c.kind), Name: c.Name}
}

func (c *caller) owner() bool { return c.kind == kindOwner }

// request is the act on path as policy looks at it.
func (c *caller) request(a policy.Action, p policy.Path, tier policy.Tier) policy.Request {
	r := policy.Request{
		Caller: c.reach, Direct: c.token == nil, Action: a, Path: p, Tier: tier,
		Rules: c.rules, StepUp: c.stepUp, SteppedUp: c.steppedUp,
	}
	if c.token != nil {
		r.Token, r.SteppedUp = c.token.scopes, c.token.StepUp
	}
	return r
}

// sees reports whether the caller may know of the secret at p.
func (c *caller) sees(p policy.Path) bool {
	return policy.Decide(c.request(policy.Read, p, policy.Standard)).Effect != policy.Deny
}

// listsWhole reports whether the caller sees all that is in ns.
func (c *caller) listsWhole(ns policy.Namespace) bool {
	return c.lists(ns, true) && c.rules.Refuses(policy.Read, ns.Below()) == nil
}

// lists reports whether the caller may list ns: all of it, or the part it sees.
func (c *caller) lists(ns policy.Namespace, whole bool) bool {
	return c.reach.Lists(ns, whole) &&
		(c.token == nil || policy.Reach{Scopes: c.token.scopes}.Lists(ns, whole))
}

// unauthorizedError carries the reason to the trail; the client is told no more
// than it needs.
type unauthorizedError struct{ reason string }

func (e *unauthorizedError) Error() string { return e.reason }

// resolve finds who presented cred, in r. It fails with unauthorizedError, or
// with what is wrong with a record.
func (v *Vault) resolve(r store.Reader, cred Credential, from Origin) (*caller, error) {
	m, err := v.momentOf(r)
	if err != nil {
		return nil, err
	}
	return v.resolveAt(r, m, cred, from)
}

// known is resolve for who is asked about before anything is decided: nil is nobody that
// this vault knows.
func (v *Vault) known(r store.Reader, req Request) (*caller, error) {
	c, err := v.resolve(r, req.Credential, req.Origin)
	if _, failed := asUnauthorized(err); failed {
		return nil, nil
	}
	return c, err
}

func (v *Vault) resolveAt(r store.Reader, m moment, cred Credential, from Origin) (c *caller, err error) {
	switch {
	case cred.failed != "":
		return nil, &unauthorizedError{cred.failed}
	case cred.IsToken():
		c, err = v.resolveToken(r, m, cred.claims, from)
	default:
		c, err = v.resolveKey(r, cred.keyHash)
	}
	if err != nil {
		return nil, err
	}
	if c.owner() {
		c.stepUp = m.keyed != ""
	} else {
		c.rules = m.policy.For(c.Name, from.place())
	}
	return c, nil
}

func (v *Vault) resolveKey(r store.Reader, hash string) (*caller, error) {
	c, err := load[credential](v, r, store.Credentials, hash)
	if err != nil {
		return nil, err
	}
	if c == nil {
		return nil, &unauthorizedError{"no such key"}
	}
	return v.living(r, c.Kind, c.ID)
}

func (v *Vault) living(r store.Reader, k kind, id string) (*caller, error) {
	who, err := load[identity](v, r, k.bucket(), id)
	switch {
	case err != nil:
		return nil, err
	case who == nil:
		return nil, &unauthorizedError{"its holder does not exist"}
	case !who.Revoked.IsZero():
		return nil, &unauthorizedError{"its holder has been revoked"}
	}
	return &caller{identity: who, kind: k}, nil
}

// endedByLockdown is why a token from before a lockdown does not count.
const endedByLockdown = "the token was ended by a lockdown"

func (v *Vault) resolveToken(r store.Reader, m moment, c claims, from Origin) (*caller, error) {
	t, err := load[token](v, r, store.Tokens, c.ID)
	if err != nil {
		return nil, err
	}
	if t == nil || !c.agrees(t) {
		return nil, &unauthorizedError{"the token has expired or does not exist"}
	}
	if why := t.unusable(m, from); why != "" {
		return nil, &unauthorizedError{why}
	}
	who, err := v.living(r, t.Kind, t.Holder)
	if err != nil {
		return nil, err
	}
	if t.Created.Before(who.Recovered.Truncate(time.Second)) { // whoever had the lost key may have made it
		return nil, &unauthorizedError{"the token was ended when its owner got a new key"}
	}
	who.token = t
	return who, nil
}

// unauthorized is what the client is told.
func unauthorized(reason string) *api.Error {
	return api.New(api.CodeUnauthorized, "not authenticated: "+reason).
		WithHint("check the key with ass whoami, or log in again with ass login")
}

// asUnauthorized reports whether err is a failed authentication, and why.
func asUnauthorized(err error) (string, bool) {
	e, ok := errors.AsType[*unauthorizedError](err)
	if !ok {
		return "", false
	}
	return e.reason, true
}

// listsNamespaces reports whether the caller may ask for the namespaces at all.
func (c *caller) listsNamespaces() bool {
	return c.token == nil || slices.ContainsFunc(c.token.scopes, policy.Scope.ListsNamespaces)
}
