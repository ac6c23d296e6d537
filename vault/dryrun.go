package vault

import (
	"bytes"
	"errors"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/policy"
	"github.com/agent-secret-store/assd/store"
	"github.com/agent-secret-store/assd/vault/api"
	"github.com/agent-secret-store/assd/vault/envelope"
)

// comparison is of a value that a dry run would write with the one that is there. It
// was made on a snapshot, before anyone decided: it must not leave.
type comparison struct {
	id   string // of the secret
	n    uint64 // of the version
	same bool
}

// compareImport compares what a dry run would write with what is there, as far as the
// caller may read that now. Whoever may only write could else find a value by trying.
func (v *Vault) compareImport(req Request, d *importDraft) error {
	if !d.overwrite { // what exists stays, whatever it is
		return nil
	}
	return v.db.View(func(s *store.Snapshot) error {
		c, err := v.known(s, req)
		if err != nil || c == nil {
			return err
		}
		for i := range d.items {
			item := &d.items[i]
			if item.compared, err = v.compare(s, c, req.Origin, item); err != nil {
				return err
			}
		}
		return nil
	})
}

func (v *Vault) compare(r store.Reader, c *caller, from Origin, item *importItem) (*comparison, error) {
	h, err := v.visible(r, c, item.path)
	if err != nil || !h.exists() || h.version(0) == nil {
		return nil, err
	}
	d, g, err := v.decide(r, c, policy.Read, item.path, h, from)
	if err != nil || d.Effect != policy.Allow {
		return nil, err
	}
	ver, value := *h.version(0), item.value.Reveal()
	out := &comparison{id: h.ID, n: ver.N}
	// What cannot be the same for its length is not decrypted: all that is, is then
	// not much more than the text. What is malformed does not open either.
	size, err := envelope.PayloadSize(r.Get(store.Values, valueKey(h.ID, ver.N)))
	if err == nil && (size < len(value) || size > len(value)+envelope.MaxMetadata) {
		return out, nil
	}
	payload, err := v.unseal(r, item.path, h.ID, ver, c.opener(g))
	if errors.Is(err, errNoKey) { // it has just ended
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer payload.Wipe()
	out.same = bytes.Equal(payload.Value.Reveal(), value)
	return out, nil
}

// tellImport decides what the caller is told of each secret, and records that. That a
// value is the same, or another one, is as good as a read of it.
func (a *act) tellImport(d *importDraft) (answer api.ImportResponse, err error) {
	for i := range d.items {
		if err := a.judgeItem(d, &d.items[i]); err != nil {
			return answer, err
		}
	}
	answer = d.answer()
	for i := range d.items {
		item := &d.items[i]
		answer.States = append(answer.States, api.ImportState{Key: item.path.Key(), State: item.state})
		if item.state != api.ImportChanged && item.state != api.ImportUnchanged {
			continue
		}
		ev := a.about(audit.SecretRead, item.path)
		ev.Version, ev.Reason = item.compared.n, "compared by a dry run"
		a.grants = item.grants
		scope := d.scope()
		if t := a.caller.token; t != nil && t.StepUp {
			scope = "secrets:read:" + item.path.String()
		}
		if err := a.spend(ev, scope); err != nil {
			return answer, err
		}
	}
	return answer, a.recordImport(d, answer)
}

// judgeItem finds out what a dry run says of a secret.
func (a *act) judgeItem(d *importDraft, item *importItem) error {
	item.grants = nil // nothing is written
	switch {
	case !item.h.exists():
		item.state = api.ImportNew
		return nil
	case item.skip:
		item.state = api.ImportExists
		return nil
	}
	decision, g, err := a.v.decide(a.tx, a.caller, policy.Read, item.path, item.h, a.req.Origin)
	switch ver := item.h.version(0); {
	case err != nil:
		return err
	case decision.Effect != policy.Allow:
		item.state = api.ImportExists
		return nil
	case ver == nil || item.compared == nil || item.compared.id != item.h.ID || item.compared.n != ver.N:
		return errStale
	}
	if g != nil {
		item.grants = []*grant{g}
	}
	if item.state = api.ImportChanged; item.compared.same {
		item.state = api.ImportUnchanged
	}
	return nil
}
