package vault

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/policy"
	"github.com/agent-secret-store/assd/store"
	"github.com/agent-secret-store/assd/vault/api"
	"github.com/agent-secret-store/assd/vault/envelope"
)

// exported is what was prepared on a snapshot, before anyone decided: it must not
// leave.
type exported struct {
	items []exportItem
	over  *api.Error // why it is too much for anyone
}

// exportItem is one secret of an export. What the transaction finds is set by
// each try anew.
type exportItem struct {
	path   policy.Path
	id     string   // of the secret
	ver    version  // the current one
	opener string   // what opens it, where it is sealed to the approval key
	opened *opened  // nil: not to be read
	h      *header  // what is there
	grants []*grant // that reading it rests on
}

func (e *exported) wipe() {
	if e == nil {
		return
	}
	for i := range e.items {
		e.items[i].opened.wipe()
	}
}

// wipeMetadata is for what leaves: the readings have it decoded.
func (e *exported) wipeMetadata() {
	for _, item := range e.items {
		if item.opened != nil {
			clear(item.opened.payload.Metadata)
		}
	}
}

// Export is the values of all secrets directly in some namespaces, or of those that
// are named: each is decided on as by Get, all in one transaction, and if one may not
// be read none leaves.
func (v *Vault) Export(ctx context.Context, req Request, want api.ExportRequest) (out []*Reading, err error) {
	d, err := draftExport(want)
	if err != nil {
		return nil, asAPI(err)
	}
	err = untilFresh(func() error {
		e, err := v.openExport(req, d)
		if err == nil {
			out, err = v.tryExport(ctx, req, d, e)
		}
		if err != nil {
			e.wipe()
		} else {
			e.wipeMetadata()
		}
		return err
	})
	if err != nil {
		return nil, asAPI(err)
	}
	return out, nil
}

// openExport prepares, on a snapshot, what a caller who may have all of it would be
// given; nil for a caller that may not ask. How much it is, is looked at before
// anything is decrypted.
func (v *Vault) openExport(req Request, d *exportDraft) (e *exported, err error) {
	err = v.db.View(func(s *store.Snapshot) error {
		c, err := v.known(s, req)
		if err != nil || c == nil {
			return err
		}
		e = &exported{}
		for i := range d.namespaces {
			if err := v.findExport(s, c, d, i, e); err != nil {
				return err
			}
		}
		may, err := v.weighExport(s, c, req.Origin, e)
		if err != nil || !may {
			return err
		}
		return v.decryptExport(s, e)
	})
	return e, err
}

// findExport finds what is asked for of the i-th namespace, as far as the caller
// sees it.
func (v *Vault) findExport(r store.Reader, c *caller, d *exportDraft, i int, e *exported) error {
	add := func(p policy.Path, h *header) {
		if ver := h.version(0); ver != nil {
			e.items = append(e.items, exportItem{path: p, id: h.ID, ver: *ver, h: h})
		}
	}
	if d.keys == nil {
		sees := func(p policy.Path) bool { return len(e.items) <= maxExported && c.sees(p) }
		return v.eachSecret(r, d.namespaces[i], c, sees, add)
	}
	for _, p := range d.places[i] {
		h, err := v.visible(r, c, p)
		if err != nil {
			return err
		}
		if h.exists() {
			add(p, h)
		}
	}
	return nil
}

// weighExport reports whether the caller may read all that was found, and it is not
// too much.
func (v *Vault) weighExport(r store.Reader, c *caller, from Origin, e *exported) (bool, error) {
	most, bytes := c.mostExported()
	if len(e.items) > most {
		e.over = tooMuch(fmt.Sprintf("more than %d secrets", most))
		return false, nil
	}
	size := 0
	for i := range e.items {
		item := &e.items[i]
		d, g, err := v.decide(r, c, policy.Read, item.path, item.h, from)
		if err != nil || d.Effect != policy.Allow {
			return false, err
		}
		item.opener = c.opener(g)
		// What is malformed counts for nothing, and does not open either.
		n, _ := envelope.PayloadSize(r.Get(store.Values, valueKey(item.id, item.ver.N)))
		if size += n; size > bytes {
			e.over = tooMuch(fmt.Sprintf("values and metadata of more than %d bytes", bytes))
			return false, nil
		}
	}
	return true, nil
}

func tooMuch(what string) *api.Error {
	return api.New(api.CodeTooLarge, what+" are too much for one export").WithHint("name fewer at once with --keys")
}

// decryptExport opens all that was found.
func (v *Vault) decryptExport(r store.Reader, e *exported) error {
	for i := range e.items {
		item := &e.items[i]
		payload, err := v.unseal(r, item.path, item.id, item.ver, item.opener)
		if errors.Is(err, errNoKey) { // it has just ended
			return nil
		}
		if err != nil {
			return err
		}
		item.opened = &opened{id: item.id, n: item.ver.N, payload: payload}
	}
	return nil
}

// tryExport decides on all that was prepared, and then records that it leaves. A
// refusal keeps what its act has written, so nothing may be before.
func (v *Vault) tryExport(ctx context.Context, req Request, d *exportDraft, e *exported) (out []*Reading, err error) {
	err = v.do(ctx, on("secret.export"), req, func(a *act) error {
		a.claim = d.claim
		if err := a.mayExport(d, e); err != nil {
			return err
		}
		if err := a.decideExport(e); err != nil {
			return err
		}
		out, err = a.releaseExport(d, e)
		return err
	})
	return out, err
}

// mayExport refuses an export of a namespace that the caller may not list, of one
// in which it sees nothing, of keys that are not there, and of too much.
func (a *act) mayExport(d *exportDraft, e *exported) error {
	for _, ns := range d.namespaces {
		if d.keys == nil && !a.caller.mayList(ns) {
			ev := a.event(audit.SecretExport)
			ev.Namespace = ns.String()
			return a.settle(ev, policy.Decision{Reason: "to export this namespace is beyond the caller's namespaces and scopes"})
		}
	}
	switch {
	case e == nil:
		return errStale
	case e.over != nil:
		return e.over
	case d.keys != nil:
		return a.allThere(d, e)
	}
	for _, ns := range d.namespaces {
		if !slices.ContainsFunc(e.items, func(item exportItem) bool { return item.path.Namespace() == ns }) {
			return api.New(api.CodeSecretNotFound, "there is no secret directly in "+ns.String()).
				WithHint("ass secrets list shows what is there")
		}
	}
	return nil
}

// allThere refuses an export of keys that are in none of its namespaces. Where the
// caller could not see one anyway, it is not told whether it is there.
func (a *act) allThere(d *exportDraft, e *exported) error {
	found := map[string]bool{}
	for _, item := range e.items {
		found[item.path.Key()] = true
	}
	var gone []string
	for i, key := range d.keys {
		if found[key] {
			continue
		}
		if err := a.lookFor(d, i); err != nil {
			return err
		}
		gone = append(gone, key)
	}
	if len(gone) == 0 {
		return nil
	}
	return api.New(api.CodeSecretNotFound, "there is no secret "+someOf(gone)+" in "+d.names(" or ")).
		WithHint("ass secrets list NAMESPACE shows what is there")
}

// lookFor refuses the i-th key unless the caller would see it somewhere.
func (a *act) lookFor(d *exportDraft, i int) error {
	refused := error(nil)
	for _, places := range d.places {
		p := places[i]
		decision := policy.Decide(a.caller.request(policy.Read, p, policy.Standard))
		if decision.Effect == policy.Deny {
			if refused == nil {
				refused = a.settle(a.about(audit.SecretRead, p), decision)
			}
			continue
		}
		h, err := a.v.header(a.tx, p)
		if err == nil && h.seenBy(a.caller, a.now).exists() {
			err = errStale
		}
		return err
	}
	return refused
}

// someOf lists names, not too many.
func someOf(names []string) string {
	const most = 8
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}

// decideExport refuses unless the caller may read each secret. All that wait for an
// owner's approval are asked for together.
func (a *act) decideExport(e *exported) error {
	var waiting []unapproved
	stale := false
	for i := range e.items {
		item := &e.items[i]
		h, err := a.v.visible(a.tx, a.caller, item.path)
		if err != nil {
			return err
		}
		if !h.exists() {
			return errStale
		}
		missing, err := a.unapproved(a.about(audit.SecretRead, item.path), policy.Read, item.path, h)
		if err != nil {
			return err
		}
		item.h, item.grants, a.grants = h, a.grants, nil
		if missing != nil && len(waiting) < maxAsked {
			waiting = append(waiting, *missing)
		}
		stale = stale || !item.fresh()
	}
	if len(waiting) > 0 {
		return a.ask(terms{}, waiting...)
	}
	if stale {
		return errStale
	}
	return nil
}

// fresh reports whether what was opened is what is there.
func (item *exportItem) fresh() bool {
	ver := item.h.version(0)
	return item.opened != nil && ver != nil && item.opened.id == item.h.ID && item.opened.n == ver.N
}

// releaseExport records that each secret is read and, for an export, that they leave
// together.
func (a *act) releaseExport(d *exportDraft, e *exported) (out []*Reading, err error) {
	for i := range e.items {
		item := &e.items[i]
		one := &Reading{item.h.info(item.path, a.now), item.opened.payload.Value}
		if err := decodeMetadata(item.opened.payload.Metadata, &one.Metadata); err != nil {
			return nil, err
		}
		ev := a.about(audit.SecretRead, item.path)
		ev.Version = item.ver.N
		a.grants = item.grants
		if err := a.spend(ev, a.exportScope(d, item.path)); err != nil {
			return nil, err
		}
		out = append(out, one)
	}
	if d.purpose != api.ForExport {
		return out, nil
	}
	for _, ns := range d.namespaces {
		if err := a.recordExport(d, ns, out); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// exportScope is what a token needs to read the secret at p: one that was made with
// the passphrase has just this, and uses it up.
func (a *act) exportScope(d *exportDraft, p policy.Path) string {
	if t := a.caller.token; t != nil && t.StepUp {
		return "secrets:read:" + p.String()
	}
	return d.scope()
}

// recordExport writes the event of all that leaves of a namespace, behind those of
// the secrets.
func (a *act) recordExport(d *exportDraft, ns policy.Namespace, all []*Reading) error {
	n := 0
	for _, one := range all {
		if one.Namespace == ns.String() {
			n++
		}
	}
	if n == 0 {
		return nil
	}
	ev := a.event(audit.SecretExport)
	ev.Namespace, ev.Reason = ns.String(), fmt.Sprintf("%d secrets", n)
	if n == 1 {
		ev.Reason = "1 secret"
	}
	return a.spend(ev, d.scope())
}
