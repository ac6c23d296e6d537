package vault

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/policy"
	"github.com/agent-secret-store/assd/store"
	"github.com/agent-secret-store/assd/vault/api"
	"github.com/agent-secret-store/assd/vault/envelope"
	"github.com/agent-secret-store/assd/vault/generate"
)

// draft is a write that has been checked, before anyone is looked up.
type draft struct {
	payload  envelope.Payload
	typ      policy.SecretType // "": keep
	tier     policy.Tier       // "": keep
	lower    bool
	metadata map[string]any
	expires  time.Time // zero: never
	rotates  bool      // there must be a secret, and its metadata and expiry stay
	back     uint64    // there must be a secret with this version, whose payload it takes

	recipe *generate.Recipe // what makes the value; nil: it was given
	made   bool             // it has
}

// action is what the caller must be allowed to do.
func (d draft) action() policy.Action {
	if d.recipe != nil {
		return policy.Rotate
	}
	return policy.Write
}

// tierAfter is the tier in force after d is written where h is.
func (d draft) tierAfter(h *header) policy.Tier {
	tier := policy.Standard
	if h != nil {
		tier = h.Tier
	}
	if d.tier != "" && (d.lower || d.tier.AtLeast(tier)) {
		return d.tier
	}
	return tier
}

// event names the write in the trail.
func (d draft) event() audit.Action {
	switch {
	case d.rotates:
		return audit.SecretRotate
	case d.back != 0:
		return audit.SecretRollback
	}
	return audit.SecretWrite
}

// act names the write in the table of guards.
func (d draft) act() string {
	switch {
	case d.rotates:
		return "secret.rotate"
	case d.back != 0:
		return "secret.rollback"
	}
	return "secret.put"
}

// sealedDraft is a draft sealed for the place it would take now.
type sealedDraft struct {
	id     string
	n      uint64
	to     sealer // the keyset that its tier is sealed to
	meta   bool   // there is metadata
	sealed []byte
	digest string
	shut   bool // what it takes its payload from is sealed to the approval key, which the caller does not have
}

// Put stores a new version of the secret at p, or a new secret.
func (v *Vault) Put(ctx context.Context, req Request, p policy.Path, want api.SecretWrite) (info api.SecretInfo, err error) {
	d, err := draftSecret(want)
	if err != nil {
		return api.SecretInfo{}, asAPI(err)
	}
	return v.write(ctx, req, p, d)
}

// write stores d at p and wipes it.
func (v *Vault) write(ctx context.Context, req Request, p policy.Path, d draft) (info api.SecretInfo, err error) {
	defer func() { d.payload.Wipe() }()
	err = untilFresh(func() error {
		if err := v.fill(req, p, &d); err != nil {
			return err
		}
		s, err := v.sealDraft(req, p, d)
		if err != nil {
			return err
		}
		info, err = v.tryPut(ctx, req, p, d, s)
		return err
	})
	if err == nil {
		v.rotations.stored(p, v.cfg.Now())
	}
	if err != nil {
		return api.SecretInfo{}, asAPI(err)
	}
	return info, nil
}

// lastYear is the last one that RFC 3339, and so a record, can tell.
const lastYear = 9999

// draftSecret checks each field of a write.
func draftSecret(want api.SecretWrite) (d draft, err error) {
	switch {
	case want.Value == nil:
		return d, invalid("value", "missing")
	case len(*want.Value) > api.MaxValue:
		return d, api.New(api.CodeTooLarge, fmt.Sprintf("value: longer than %d bytes", api.MaxValue))
	case !utf8.ValidString(*want.Value):
		return d, invalid("value", "not UTF-8")
	}
	d.lower, d.metadata = want.LowerTier, want.Metadata
	if want.SecretType != "" {
		if d.typ, err = policy.ParseSecretType(want.SecretType); err != nil {
			return d, invalid("secret_type", err.Error())
		}
	}
	if want.AccessTier != "" {
		if d.tier, err = policy.ParseTier(want.AccessTier); err != nil {
			return d, invalid("access_tier", err.Error())
		}
	}
	if want.ExpiresAt != nil {
		if d.expires = time.Time(*want.ExpiresAt).UTC().Truncate(time.Second); d.expires.Year() > lastYear {
			return d, invalid("expires_at", fmt.Sprintf("after the year %d", lastYear))
		}
	}
	var metadata []byte
	if want.Metadata != nil {
		if metadata, err = json.Marshal(want.Metadata); err != nil {
			return d, invalid("metadata", "not an object of JSON")
		}
	}
	if len(metadata) > envelope.MaxMetadata {
		return d, api.New(api.CodeTooLarge, fmt.Sprintf("metadata: longer than %d bytes", envelope.MaxMetadata))
	}
	d.payload = envelope.Payload{Value: envelope.NewPlaintext([]byte(*want.Value)), Metadata: metadata}
	return d, nil
}

// sealDraft seals d for the id and version that it gets if nobody else writes
// first. For a caller who may not write there it looks at nothing and does
// nothing: the transaction refuses it, and how long that takes tells nothing.
func (v *Vault) sealDraft(req Request, p policy.Path, d draft) (s sealedDraft, err error) {
	ready := true
	err = v.db.View(func(snap *store.Snapshot) error {
		may, err := v.writer(snap, req, d.action())
		if err != nil || may == nil {
			return err
		}
		at, err := may(p)
		if err != nil || at == nil || !at.allowed || d.recipe != nil && !d.made {
			return err
		}
		s = at.upcoming()
		if s.to, err = v.sealerFor(snap, d.tierAfter(at.header)); err != nil {
			return err
		}
		switch {
		case d.rotates:
			d, err = v.keepMetadata(snap, p, at.header, d)
		case d.back != 0:
			ready, s.shut, err = v.takeBack(snap, p, at, &d)
		}
		return err
	})
	if err != nil || s.n == 0 || !ready {
		return s, err
	}
	s, err = v.sealFor(p, s, d.payload)
	switch { // our copies
	case d.rotates:
		clear(d.payload.Metadata) // what the caller handed in has none
	case d.back != 0:
		d.payload.Wipe()
	}
	return s, err
}

// target is what a caller finds at a path within its reach (nil: there has never
// been anything), and whether it may write there as things are.
type target struct {
	*header
	by      *caller
	allowed bool
}

// writer finds out on a snapshot what a caller may write, or rotate: the function it returns
// gives nil for a path beyond its reach, which is not looked at. The function is
// nil for nobody this vault knows.
func (v *Vault) writer(r store.Reader, req Request, action policy.Action) (func(policy.Path) (*target, error), error) {
	c, err := v.known(r, req)
	if err != nil || c == nil {
		return nil, err
	}
	return func(p policy.Path) (*target, error) {
		if policy.Decide(c.request(action, p, policy.Standard)).Effect == policy.Deny {
			return nil, nil
		}
		h, err := v.header(r, p)
		if err != nil {
			return nil, err
		}
		h = h.seenBy(c, v.now(r))
		d, _, err := v.decide(r, c, action, p, h, req.Origin)
		return &target{h, c, d.Effect == policy.Allow}, err
	}, nil
}

// upcoming is the id and number of the next version of what h describes, not
// sealed yet.
func (h *header) upcoming() sealedDraft {
	switch {
	case h == nil:
		return sealedDraft{id: newID("sec"), n: 1}
	case h.there():
		return sealedDraft{id: h.ID, n: h.Current + 1}
	default:
		return sealedDraft{id: newID("sec"), n: h.Current + 1}
	}
}

// sealFor seals pay for the place that s has.
func (v *Vault) sealFor(p policy.Path, s sealedDraft, pay envelope.Payload) (_ sealedDraft, err error) {
	if s.sealed, err = s.to.Seal(v.place(s.id, p, s.n), pay); err != nil {
		return s, err
	}
	s.meta = len(pay.Metadata) > 0
	s.digest, err = envelope.Digest(s.sealed)
	return s, err
}

// fits reports whether s is still sealed for the place it would take, and to the
// keyset of that id.
func (s sealedDraft) fits(h *header, to string) bool {
	switch {
	case s.to == nil || s.to.ID() != to:
		return false
	case h == nil:
		return s.n == 1
	case h.there():
		return s.id == h.ID && s.n == h.Current+1
	default: // sealed before the deletion, it would bear the id of what was deleted
		return s.id != h.ID && s.n == h.Current+1
	}
}

func (v *Vault) tryPut(ctx context.Context, req Request, p policy.Path, d draft, s sealedDraft) (info api.SecretInfo, err error) {
	err = v.do(ctx, on(d.act()).at(p), req, func(a *act) error {
		if err := a.mayOpenBack(p, d); err != nil {
			return err
		}
		h, err := a.writable(p, d)
		if err != nil {
			return err
		}
		if (d.rotates || d.back != 0) && !h.exists() {
			return secretNotFound()
		}
		to, err := v.sealerFor(a.tx, d.tierAfter(h))
		if err != nil {
			return err
		}
		if !s.fits(h, to.ID()) {
			return errStale
		}
		if d.back != 0 {
			if d, err = a.goesBack(p, h, d, s); err != nil {
				return err
			}
		}
		next := h.written(d, s, a.caller, v.log.Now())
		a.ends = a.ends || h != nil && h.Tier != next.Tier
		changes, err := a.store(p, h, &next, s)
		if err != nil {
			return err
		}
		count, err := v.recount(a.tx, p.Namespace(), next.counts().minus(h.counts()))
		if err != nil {
			return err
		}
		ev := a.about(d.event(), p)
		ev.Version, ev.Reason = s.n, d.why()
		info = next.info(p, a.now)
		info.Metadata = d.metadata
		return a.spend(ev, "secrets:"+string(d.action())+":"+p.String(), append(changes, count...)...)
	})
	if err != nil {
		return api.SecretInfo{}, err
	}
	return info, nil
}

// writable is the header at p if the caller may write d there.
func (a *act) writable(p policy.Path, d draft) (*header, error) {
	ev := a.about(d.event(), p)
	h, err := a.headerFor(ev, d.action(), p)
	if err != nil {
		return nil, err
	}
	if d.lower && !a.caller.owner() {
		const reason = "only an owner lowers the tier of a secret"
		return nil, refuse(ev, api.New(api.CodeScopeDenied, reason), reason)
	}
	if err := a.mayLower(ev, h, d); err != nil {
		return nil, err
	}
	if !d.expires.IsZero() && !d.expires.After(a.now) {
		return nil, invalid("expires_at", "not in the future")
	}
	return h, a.roomFor(ev, h)
}

// written is the header after the write; h is nil where nothing has ever been.
func (h *header) written(d draft, s sealedDraft, by *caller, now time.Time) header {
	next := header{ID: s.id, Type: policy.Custom, Tier: policy.Standard, Created: now}
	if h != nil {
		next.Tier, next.TierRev = h.Tier, h.TierRev
	}
	if h.exists() {
		next.Type, next.Created = h.Type, h.Created
	}
	if d.back != 0 { // an old value is not the new one that it waits for
		next.Pending = h.Pending
	}
	if d.rotates { // whoever asks for a new value does not ask for more time
		d.expires = h.expires()
	}
	if d.typ != "" {
		next.Type = d.typ
	}
	next.Tier = d.tierAfter(h)
	if h != nil && next.Tier != h.Tier {
		next.TierRev++
	}
	next.Current, next.Updated = s.n, now
	next.Versions = append(h.superseded(now), version{N: s.n, Digest: s.digest, At: now, By: by.ID, Meta: s.meta, Expires: d.expires})
	return next
}

// store writes the sealed value and removes the versions that need not be kept. h is
// the header before it. The namespace's count is left to the caller.
func (a *act) store(p policy.Path, h, next *header, s sealedDraft) ([]audit.Change, error) {
	if err := a.tx.Put(store.Values, valueKey(s.id, s.n), s.sealed); err != nil {
		return nil, fmt.Errorf("storing value: %w", err)
	}
	kept, gone := retained(next.Versions, next.Updated)
	for _, ver := range gone {
		if err := a.tx.Delete(store.Values, valueKey(next.ID, ver.N)); err != nil {
			return nil, err
		}
	}
	next.Versions = kept
	if err := a.v.schedule(a.tx, p, h.due(), next.due()); err != nil {
		return nil, err
	}
	opener := a.caller.opener(nil)
	if err := a.v.reseal(a.tx, p, next, s.to, opener); err != nil {
		return nil, err
	}
	return []audit.Change{put(store.Secrets, p.String(), next)}, nil
}
