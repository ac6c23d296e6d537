package vault

import (
	"context"
	"errors"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/policy"
	"github.com/agent-secret-store/assd/store"
	"github.com/agent-secret-store/assd/vault/api"
)

// Request is who asks, with what, from where.
type Request struct {
	Credential
	Origin
	proof *proof // of a passphrase that came with it, checked
}

// act is one request inside the write transaction that decides it.
type act struct {
	v       *Vault
	tx      *store.Tx
	req     Request
	caller  *caller
	moment           // how things stand in this transaction
	news    bool     // it changes what those wait for who watch requests
	ends    bool     // it may have ended what the approval key is kept for
	claim   string   // why an agent asks, in its own words
	spent   bool     // the use of the token has been counted
	tokenID string   // of the token that acts, also of the one-use token that a key stands for
	grants  []*grant // that what is done rests on
}

// refusal ends an act: err for the caller, the events for the trail.
type refusal struct {
	err *api.Error
	evs []audit.Event
}

func (r *refusal) Error() string { return r.err.Error() }

// do runs fn inside the write transaction, once the guard of the act lets it. A
// refusal by either is recorded there and returned; any other error undoes what fn
// did.
func (v *Vault) do(ctx context.Context, o op, req Request, fn func(*act) error) error {
	return v.perform(ctx, v.db.Update, o, req, fn)
}

// doReserved is do for owners' acts that must go on when the disk is full. Anyone
// else who tries one, if only to be refused, gets no part of the reserve.
func (v *Vault) doReserved(ctx context.Context, o op, req Request, fn func(*act) error) error {
	update := v.db.Update
	if v.byOwner(req) {
		update = v.db.UpdateReserved
	}
	return v.perform(ctx, update, o, req, fn)
}

// byOwner reports whether req comes with an owner's key, as far as a snapshot
// tells; the act itself looks again.
func (v *Vault) byOwner(req Request) (owner bool) {
	err := v.db.View(func(s *store.Snapshot) error {
		c, err := v.resolve(s, req.Credential, req.Origin)
		owner = err == nil && c.owner() && c.token == nil
		return err
	})
	return err == nil && owner
}

// errStale: what was prepared on a snapshot is not what would be served now.
var errStale = errors.New("the secret changed meanwhile")

// staleTries is how often a lost race is run again.
const staleTries = 8

// untilFresh runs try again as long as it ends in errStale.
func untilFresh(try func() error) error {
	for range staleTries {
		if err := try(); !errors.Is(err, errStale) {
			return err
		}
	}
	return api.New(api.CodeConflict, "others keep changing this secret").WithHint("try again")
}

type updater func(context.Context, func(*store.Tx) error) error

func (v *Vault) perform(ctx context.Context, update updater, o op, req Request, fn func(*act) error) error {
	if err := v.Err(); err != nil {
		return asAPI(err)
	}
	var refused *api.Error
	var who *caller
	news, ends := false, false
	err := update(ctx, func(tx *store.Tx) error {
		refused = nil
		if v.sealing.Load() {
			return SealedNow()
		}
		a := &act{v: v, tx: tx, req: req}
		err := a.begin(o)
		if err == nil {
			err = fn(a)
		}
		who, news, ends = a.caller, a.news, a.ends
		r, ok := errors.AsType[*refusal](err)
		if !ok {
			return err
		}
		refused = r.err
		for _, ev := range r.evs {
			if err := v.denials.record(tx, v.log, ev); err != nil {
				return err
			}
		}
		return nil
	})
	v.compacting.asked.Store(v.cfg.Now().Unix())
	if err == nil && ends {
		v.letGo()
	}
	if err == nil && (news || ends) { // those who wait see what was let go
		v.news.tell()
	}
	if err == nil && refused != nil {
		return refused
	}
	if err == nil && who != nil {
		v.active.touch(who.ID, v.cfg.Now())
	}
	return asAPI(err)
}

// unknownKind is the kind of an actor whose key was not recognised.
const unknownKind = "unknown"

// begin looks at how things stand, finds the caller and asks the guard.
func (a *act) begin(o op) (err error) {
	if a.moment, err = a.v.momentOf(a.tx); err != nil {
		return err
	}
	if err := a.identify(); err != nil {
		return err
	}
	return a.guard(o)
}

// identify finds the caller, or refuses.
func (a *act) identify() (err error) {
	a.caller, err = a.v.resolveAt(a.tx, a.moment, a.req.Credential, a.req.Origin)
	reason, failed := asUnauthorized(err)
	if !failed {
		if err == nil && a.caller.token != nil {
			a.tokenID = a.caller.token.ID
		}
		return err
	}
	refused := unauthorized(reason)
	if reason == endedByLockdown && a.lockdown.locked() {
		refused = a.lockdown.lockedDown()
	}
	return &refusal{refused, []audit.Event{failedAuth(a.req.Origin, reason)}}
}

// failedAuth is the event of an attempt that was nobody's.
func failedAuth(from Origin, reason string) audit.Event {
	ev := from.event(audit.AuthFailed, audit.Actor{Kind: unknownKind, Name: from.Class()})
	ev.Outcome, ev.Reason = audit.Denied, reason
	return ev
}

// event is an event of this act.
func (a *act) event(action audit.Action) audit.Event {
	ev := a.req.event(action, a.caller.actor())
	ev.TokenID = a.tokenID
	return ev
}

// about is an event of this act on a secret.
func (a *act) about(action audit.Action, p policy.Path) audit.Event {
	ev := a.event(action)
	ev.Namespace, ev.Key = p.Namespace().String(), p.Key()
	return ev
}

// refuse turns ev into the refusal of what it says.
func refuse(ev audit.Event, err *api.Error, reason string) error {
	ev.Action, ev.Outcome, ev.Reason = ev.Action.Denied(), audit.Denied, reason
	return &refusal{err, []audit.Event{ev}}
}

// permit asks policy whether the caller may do this to p, where h is (nil: there
// has never been anything), and refuses with ev when it may not. What waits for
// an owner's approval opens the request for it.
func (a *act) permit(ev audit.Event, action policy.Action, p policy.Path, h *header) error {
	missing, err := a.unapproved(ev, action, p, h)
	if err != nil || missing == nil {
		return err
	}
	return a.ask(terms{}, *missing)
}

// unapproved is permit, but for an act that waits for an approval: that it
// returns, for the caller to ask.
func (a *act) unapproved(ev audit.Event, action policy.Action, p policy.Path, h *header) (*unapproved, error) {
	d, g, err := a.v.decide(a.tx, a.caller, action, p, h, a.req.Origin)
	switch {
	case err != nil:
		return nil, err
	case d.Effect == policy.Approve:
		return &unapproved{ev, wants(action, p, h, a.policy.Need(h.tier(), d.Rule)), d.Reason}, nil
	case g != nil:
		a.grants = append(a.grants, g)
	}
	return nil, a.settle(ev, d)
}

// headerFor is the header at p, if the caller may do this to what is there. A
// caller that may not see p is refused before anything there is looked at.
func (a *act) headerFor(ev audit.Event, action policy.Action, p policy.Path) (*header, error) {
	h, missing, err := a.headerOr(ev, action, p)
	if err == nil && missing != nil {
		err = a.ask(terms{}, *missing)
	}
	return h, err
}

// headerOr is headerFor, but for an act that waits for an approval, as unapproved.
func (a *act) headerOr(ev audit.Event, action policy.Action, p policy.Path) (*header, *unapproved, error) {
	if d := policy.Decide(a.caller.request(action, p, policy.Standard)); d.Effect == policy.Deny {
		return nil, nil, a.settle(ev, d)
	}
	h, err := a.v.header(a.tx, p)
	if err != nil {
		return nil, nil, err
	}
	h = h.seenBy(a.caller, a.now)
	missing, err := a.unapproved(ev, action, p, h)
	return h, missing, err
}

// settle turns a decision that does not wait for anyone into nil or a refusal.
func (a *act) settle(ev audit.Event, d policy.Decision) error {
	switch d.Effect {
	case policy.Allow:
		return nil
	case policy.StepUp:
		return refuse(ev, stepUpRequired(d.Reason), d.Reason)
	}
	return refuse(ev, api.New(api.CodeScopeDenied, d.Reason).
		WithHint("ask for a scope that covers it, or have an owner make an agent with wider limits: ass agents create --help"), d.Reason)
}

// ownerOnly refuses everyone but an owner's own key.
func (a *act) ownerOnly(action audit.Action) error {
	reason := ""
	switch {
	case a.caller.token != nil:
		reason = "a token does not open this; an owner's key does"
	case !a.caller.owner():
		reason = "only an owner may do this"
	default:
		return nil
	}
	return refuse(a.event(action), api.New(api.CodeScopeDenied, reason).
		WithHint("ask an owner to do it"), reason)
}

// record writes ev with the records it changes.
func (a *act) record(ev audit.Event, changes ...audit.Change) error {
	_, err := a.v.log.Append(a.tx, ev, changes...)
	return err
}

// spend is record for the secrets routes, where tokens act: it counts the use of
// a token that has a limit, and those of the grants that it rests on. A key used
// directly stands for a one-use token made for just this scope, and the trail
// says so.
func (a *act) spend(ev audit.Event, scope string, changes ...audit.Change) error {
	switch t := a.caller.token; {
	case t != nil:
		if next := t.use(scope, a.spent); next != t {
			a.caller.token = next
			changes = append(changes, put(store.Tokens, next.ID, next))
		}
		a.ends = a.ends || t.StepUp
	case !a.spent:
		a.tokenID = newID("tok")
		made := a.event(audit.TokenCreate)
		made.Reason = "for " + scope + ", one use by the key itself"
		if err := a.record(made); err != nil {
			return err
		}
	}
	for _, g := range a.grants {
		used, err := a.use(g)
		if err != nil {
			return err
		}
		changes, ev.Approval = append(changes, used...), g.Approval
		a.ends = a.ends || g.Uses > 0
	}
	a.spent, a.grants = true, nil
	ev.TokenID = a.tokenID
	return a.record(ev, changes...)
}
