package vault

import (
	"context"
	"errors"
	"fmt"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/policy"
	"github.com/agent-secret-store/assd/store"
	"github.com/agent-secret-store/assd/vault/api"
	"github.com/agent-secret-store/assd/vault/dotenv"
	"github.com/agent-secret-store/assd/vault/envelope"
)

// maxImportedByAgent is the most secrets of an agent's import; api.MaxImported is an
// owner's. Everybody waits for the writer while one runs: on a machine of two cores
// 0.4 s for 10,000 secrets, 1.7 s for 50,000, and a small one is several times slower.
const maxImportedByAgent = 10_000

// importDraft is an import that has been checked, before anyone is looked up.
type importDraft struct {
	ns        policy.Namespace
	common    draft // type, tier and metadata of all; no value
	items     []importItem
	overwrite bool
	dryRun    bool
	tooMany   *api.Error // for an agent; nil: it is not
	claim     string     // why an agent asks, in its own words
}

// importItem is one secret of an import. What the transaction finds is set by
// each try anew.
type importItem struct {
	path   policy.Path
	value  envelope.Plaintext
	sealed sealedDraft

	h      *header  // what is there
	skip   bool     // it exists and is to stay
	grants []*grant // that writing it rests on, or in a dry run reading it

	compared *comparison // of a dry run, on a snapshot; nil: it may not be read
	state    string      // what a dry run says of it
}

// Import stores the values of a dotenv text, all of them or none: each is decided
// on as by Put, in one transaction.
func (v *Vault) Import(ctx context.Context, req Request, want api.ImportRequest) (answer api.ImportResponse, err error) {
	d, err := draftImport(want)
	defer d.wipe()
	if err != nil {
		return api.ImportResponse{}, asAPI(err)
	}
	err = untilFresh(func() error {
		if err := v.prepareImport(req, d); err != nil {
			return err
		}
		answer, err = v.tryImport(ctx, req, d)
		return err
	})
	if err != nil {
		return api.ImportResponse{}, asAPI(err)
	}
	return answer, nil
}

// draftImport checks each field of an import, and each line of its text. What it
// returns is to be wiped, also beside an error.
func draftImport(want api.ImportRequest) (d *importDraft, err error) {
	d = &importDraft{overwrite: want.Overwrite == nil || *want.Overwrite, dryRun: want.DryRun, claim: plainWords(want.Reason)}
	if d.ns, err = policy.ParseNamespace(want.Namespace); err != nil {
		return d, invalid("namespace", err.Error())
	}
	if want.Content == nil {
		return d, invalid("content", "missing")
	}
	d.common, err = draftSecret(api.SecretWrite{
		Value: new(string), SecretType: want.SecretType, AccessTier: want.AccessTier, Metadata: want.Metadata,
	})
	if err != nil {
		return d, err
	}
	pairs, err := dotenv.Parse(*want.Content, api.MaxImported)
	if err != nil {
		return d, contentError(err)
	}
	if err = d.add(pairs); err != nil {
		dotenv.Wipe(pairs)
	}
	return d, err
}

// contentError is what is wrong with the text of an import.
func contentError(err error) error {
	if errors.Is(err, dotenv.ErrTooLarge) {
		return api.New(api.CodeTooLarge, "content: "+err.Error())
	}
	return invalid("content", err.Error())
}

// add makes an item of each pair.
func (d *importDraft) add(pairs []dotenv.Pair) error {
	if len(pairs) == 0 {
		return invalid("content", "there is no NAME=value in it")
	}
	if len(pairs) > maxImportedByAgent {
		d.tooMany = api.New(api.CodeTooLarge, fmt.Sprintf("content: line %d: more than %d values", pairs[maxImportedByAgent].Line, maxImportedByAgent)).
			WithHint("import it in parts, or have an owner do it")
	}
	size := len(pairs) * len(d.common.payload.Metadata)
	for _, pair := range pairs {
		p, err := policy.ParsePath(d.ns.String() + "/" + pair.Name)
		if err != nil {
			return invalid("content", fmt.Sprintf("line %d: %v", pair.Line, err))
		}
		size += len(pair.Value)
		d.items = append(d.items, importItem{path: p, value: envelope.NewPlaintext(pair.Value)})
	}
	if size > api.MaxImport { // by the metadata, which every secret gets a copy of
		return api.New(api.CodeTooLarge, fmt.Sprintf("metadata: kept with each of %d secrets, it makes more than %d bytes", len(pairs), api.MaxImport))
	}
	return nil
}

func (d *importDraft) wipe() {
	d.common.payload.Wipe()
	for i := range d.items {
		d.items[i].value.Wipe()
	}
}

// payload is what is sealed for an item.
func (d *importDraft) payload(item *importItem) envelope.Payload {
	return envelope.Payload{Value: item.value, Metadata: d.common.payload.Metadata}
}

// prepareImport does on a snapshot what is not for the writer, who keeps everyone
// waiting.
func (v *Vault) prepareImport(req Request, d *importDraft) error {
	if d.tooMany != nil {
		if h, err := v.holder(req); err != nil || !h.Owner {
			return nil // and it is refused
		}
	}
	if d.dryRun {
		return v.compareImport(req, d)
	}
	return v.sealImport(req, d)
}

// sealImport seals each item for the id and version that it gets if nobody else
// writes first. After a lost race it seals those anew that have lost it. Where the
// caller may not write one of them it seals none, as sealDraft.
func (v *Vault) sealImport(req Request, d *importDraft) error {
	may := false
	if err := v.db.View(func(s *store.Snapshot) (err error) {
		may, err = v.aimImport(s, req, d)
		return err
	}); err != nil || !may {
		return err
	}
	for i := range d.items {
		item := &d.items[i]
		if item.skip || item.sealed.sealed != nil {
			continue
		}
		s, err := v.sealFor(item.path, item.sealed, d.payload(item))
		if err != nil {
			return err
		}
		item.sealed = s
	}
	return nil
}

// aimImport finds out what each item is to be sealed for, and whether the caller
// may write all of them.
func (v *Vault) aimImport(r store.Reader, req Request, d *importDraft) (bool, error) {
	may, err := v.writer(r, req, policy.Write)
	if err != nil || may == nil {
		return false, err
	}
	for i := range d.items {
		item := &d.items[i]
		at, err := may(item.path)
		if err != nil || at == nil {
			return false, err
		}
		if item.skip = d.skips(at.header); !item.skip && !at.allowed {
			return false, nil
		}
		to, err := v.sealerFor(r, d.common.tierAfter(at.header))
		if err != nil {
			return false, err
		}
		if !item.sealed.fits(at.header, to.ID()) {
			item.sealed = at.upcoming()
			item.sealed.to = to
		}
	}
	return true, nil
}

// skips reports whether what h describes is to stay as it is.
func (d *importDraft) skips(h *header) bool { return !d.overwrite && h.exists() }

// tryImport decides on all of d and then, unless it only asks, stores all of it.
// A refusal keeps what its act has written, so nothing may be before.
func (v *Vault) tryImport(ctx context.Context, req Request, d *importDraft) (answer api.ImportResponse, err error) {
	err = v.do(ctx, on("secret.import"), req, func(a *act) error {
		a.claim = d.claim
		if d.tooMany != nil && !a.caller.owner() {
			return d.tooMany
		}
		if err := a.decideImport(d); err != nil {
			return err
		}
		if d.dryRun {
			answer, err = a.tellImport(d)
			return err
		}
		answer = d.answer()
		return a.storeImport(d, answer)
	})
	return answer, err
}

// decideImport refuses d unless the caller may write each of its secrets. All
// that wait for an owner's approval are asked for together.
func (a *act) decideImport(d *importDraft) error {
	var waiting []unapproved
	stale := false
	for i := range d.items {
		item := &d.items[i]
		h, missing, err := a.headerOr(a.about(audit.SecretWrite, item.path), policy.Write, item.path)
		if err != nil {
			return err
		}
		item.h, item.skip, item.grants, a.grants = h, d.skips(h), a.grants, nil
		if missing == nil && !item.skip {
			if err := a.roomFor(a.about(audit.SecretWrite, item.path), h); err != nil {
				return err
			}
		}
		if missing != nil && !item.skip && len(waiting) < maxAsked {
			waiting = append(waiting, *missing)
		}
		to, err := a.v.sealerFor(a.tx, d.common.tierAfter(h))
		if err != nil {
			return err
		}
		stale = stale || !item.skip && !d.dryRun && !item.ready(to.ID())
	}
	switch {
	case len(waiting) > 0 && d.dryRun: // nobody asked for it to be done
		return refuse(waiting[0].ev, api.New(api.CodeApprovalRequired, waiting[0].reason).
			WithHint("import without dry_run opens the request for it"), waiting[0].reason)
	case len(waiting) > 0:
		return a.ask(terms{}, waiting...)
	}
	if stale {
		return errStale
	}
	return nil
}

// ready reports whether the item is sealed for the place it would take.
func (item *importItem) ready(to string) bool {
	return item.sealed.sealed != nil && item.sealed.fits(item.h, to)
}

// answer says what is stored and what is not.
func (d *importDraft) answer() api.ImportResponse {
	names := []string{}
	for i := range d.items {
		if !d.items[i].skip {
			names = append(names, d.items[i].path.Key())
		}
	}
	return api.ImportResponse{
		Namespace: d.ns.String(), Imported: names, ImportedCount: len(names), Keys: names,
		Skipped: len(d.items) - len(names), DryRun: d.dryRun,
	}
}

// storeImport stores all of d that is not skipped.
func (a *act) storeImport(d *importDraft, answer api.ImportResponse) error {
	more := space{}
	for i := range d.items {
		item := &d.items[i]
		if item.skip {
			continue
		}
		added, err := a.storeItem(d, item)
		if err != nil {
			return err
		}
		more = more.plus(added)
	}
	count, err := a.v.recount(a.tx, d.ns, more)
	if err != nil {
		return err
	}
	return a.recordImport(d, answer, count...)
}

// storeItem says what the item adds to its namespace.
func (a *act) storeItem(d *importDraft, item *importItem) (more space, err error) {
	next := item.h.written(d.common, item.sealed, a.caller, a.v.log.Now())
	changes, err := a.store(item.path, item.h, &next, item.sealed)
	if err != nil {
		return more, err
	}
	more = next.counts().minus(item.h.counts())
	ev := a.about(audit.SecretWrite, item.path)
	ev.Version = item.sealed.n
	a.grants = item.grants
	if t := a.caller.token; t != nil && t.StepUp {
		return more, a.spend(ev, "secrets:write:"+item.path.String(), changes...)
	}
	return more, a.spend(ev, d.scope(), changes...)
}

// recordImport writes the event of the whole, behind those of the secrets.
func (a *act) recordImport(d *importDraft, answer api.ImportResponse, changes ...audit.Change) error {
	ev := a.event(audit.SecretImport)
	ev.Namespace = d.ns.String()
	ev.Reason = fmt.Sprintf("%d stored, %d skipped", answer.ImportedCount, answer.Skipped)
	if d.dryRun {
		ev.Reason = fmt.Sprintf("dry run: %d to store, %d to skip", answer.ImportedCount, answer.Skipped)
	}
	return a.spend(ev, d.scope(), changes...)
}

// scope is what a token needs for any such import.
func (d *importDraft) scope() string {
	scope := "secrets:write:" + d.ns.String() + "/*"
	if d.dryRun {
		scope += " secrets:read:" + d.ns.String() + "/*"
	}
	return scope
}
