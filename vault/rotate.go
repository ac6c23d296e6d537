package vault

import (
	"bytes"
	"context"
	"errors"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/policy"
	"github.com/agent-secret-store/assd/store"
	"github.com/agent-secret-store/assd/vault/api"
	"github.com/agent-secret-store/assd/vault/envelope"
)

// Rotate stores the next value of the secret at p: one that is given, or one that its
// rotator makes. Without either the secret is flagged as waiting for one, until the
// next write. Type, tier and metadata stay as they are; there must be a secret.
func (v *Vault) Rotate(ctx context.Context, req Request, p policy.Path, want api.SecretRotate) (out api.SecretRotation, err error) {
	value := want.Value
	switch {
	case value == nil:
		value = want.NewValue
	case want.NewValue != nil:
		return out, invalid("new_value", "give value or new_value, not both")
	}
	if value == nil {
		return v.rotateByItself(ctx, req, p)
	}
	d, err := draftSecret(api.SecretWrite{Value: value})
	if err != nil {
		return out, asAPI(err)
	}
	d.rotates = true
	out.Status = api.RotationStored
	out.SecretInfo, err = v.write(ctx, req, p, d)
	return out, err
}

// rotateByItself is Rotate where no value is given.
func (v *Vault) rotateByItself(ctx context.Context, req Request, p policy.Path) (out api.SecretRotation, err error) {
	switch r := v.rotations.at(p); {
	case r == nil:
		out.Status = api.RotationPending
		out.SecretInfo, err = v.flag(ctx, req, p)
	case r.Command != nil:
		return v.rotateByCommand(ctx, req, r)
	default:
		out.Status = api.RotationStored
		out.SecretInfo, err = v.write(ctx, req, p, draft{rotates: true, recipe: r.Generate})
	}
	return out, err
}

// fill makes the value of a draft that is to be generated, for a caller who may have
// it made; for anyone else it does nothing, and the transaction refuses them.
func (v *Vault) fill(req Request, p policy.Path, d *draft) error {
	if d.recipe == nil || d.made {
		return nil
	}
	may := false
	err := v.db.View(func(s *store.Snapshot) error {
		reaches, err := v.writer(s, req, policy.Rotate)
		if err != nil || reaches == nil {
			return err
		}
		at, err := reaches(p)
		may = err == nil && at != nil && at.allowed && at.exists() && (at.by.owner() || !at.full(v.now(s)))
		return err
	})
	if err != nil || !may {
		return err
	}
	if d.recipe.Slow() { // so that one who asks again and again holds up nobody for long
		if !v.rotations.claim(p) {
			return beingRotated(p)
		}
		defer v.rotations.release(p)
		v.slow.Lock()
		defer v.slow.Unlock()
	}
	value, err := d.recipe.Make()
	if err != nil {
		return err
	}
	d.payload.Value, d.made = envelope.NewPlaintext(value), true
	return nil
}

// flag marks the secret at p as waiting for a new value.
func (v *Vault) flag(ctx context.Context, req Request, p policy.Path) (info api.SecretInfo, err error) {
	err = v.do(ctx, on("secret.rotate").at(p), req, func(a *act) error {
		ev := a.about(audit.SecretRotate, p)
		h, err := a.headerFor(ev, policy.Rotate, p)
		if err != nil {
			return err
		}
		if !h.exists() {
			return secretNotFound()
		}
		next := *h
		next.Pending = v.log.Now()
		ev.Version, ev.Reason = h.Current, "flagged: nothing makes its next value"
		if err := a.spend(ev, "secrets:rotate:"+p.String()); err != nil {
			return err
		}
		flagged := a.about(audit.SecretRotationPending, p)
		flagged.Version = h.Current
		info = next.info(p, a.now)
		return a.record(flagged, put(store.Secrets, p.String(), next))
	})
	return info, err
}

// keepMetadata is d with the metadata of the newest version of the secret that h
// describes: it is sealed with the value, so it is opened and sealed again. Where
// it is sealed to the approval key it cannot be: then the secret must have none.
func (v *Vault) keepMetadata(r store.Reader, p policy.Path, h *header, d draft) (draft, error) {
	if !h.exists() {
		return d, nil
	}
	ver := h.version(0)
	if ver == nil {
		return d, nil
	}
	old, err := v.unseal(r, p, h.ID, *ver, "")
	if errors.Is(err, errNoKey) {
		if !ver.Meta {
			return d, nil
		}
		return d, api.New(api.CodeConflict, "the metadata of this secret is sealed to the approval key with its value, and would be lost").
			WithHint("store the new value with the metadata: PUT takes both")
	}
	if err != nil {
		return d, err
	}
	defer old.Wipe()
	d.payload = envelope.Payload{Value: d.payload.Value, Metadata: bytes.Clone(old.Metadata)}
	return d, nil
}
