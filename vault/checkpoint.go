package vault

import (
	"context"
	"encoding/base64"
	"fmt"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/store"
	"github.com/agent-secret-store/assd/vault/api"
)

// Checkpoint is the newest checkpoint, for owners, with what it takes to hold an older
// one against it: the hash of event size (0: none), and who signed when.
func (v *Vault) Checkpoint(ctx context.Context, req Request, size uint64) (out api.Checkpoint, err error) {
	note, h := v.checkpointNote() // before the snapshot, so that it is in that
	err = v.look(ctx, req, audit.AuditRead, true, func(r store.Reader, _ *caller) error {
		out = api.Checkpoint{
			Checkpoint: string(note), Tenant: v.tenant, Size: h.Seq, Hash: h.Hash.String(), Epoch: h.Epoch, VerifyKey: h.Key.String(),
		}
		if size > h.Seq {
			return api.New(api.CodeNotFound, fmt.Sprintf("the trail ends at event %d", h.Seq)).
				WithHint("a size that this trail had once and has no more means that it was cut, or that an older copy was put back")
		}
		if out.HashAt, err = hashAt(r, h, size); err != nil {
			return err
		}
		return v.tellLineage(r, h, &out)
	})
	return out, v.asTrail(err)
}

// hashAt is the hash of event size, "" for 0. The newest one is held against what was
// committed.
func hashAt(r store.Reader, h audit.SignedHead, size uint64) (string, error) {
	newest, err := audit.HashAt(r, h.Seq)
	if err == nil && newest != h.Hash {
		err = &audit.TamperError{What: fmt.Sprintf("audit event %d", h.Seq), Problem: "it is not the one that was committed"}
	}
	if err != nil || size == 0 {
		return "", err
	}
	at, err := audit.HashAt(r, size)
	return at.String(), err
}

// tellLineage says which key was the first, and how each followed the one before up to
// h. Those that r has beyond it would not fit what h's signs.
func (v *Vault) tellLineage(r store.Reader, h audit.SignedHead, out *api.Checkpoint) error {
	keys, err := v.lineageIn(r, h.Key.String())
	if err != nil {
		return err
	}
	out.FirstKey, out.Rotations = keys[0].Key.String(), []api.Rotation{}
	for _, k := range keys[1:] {
		if k.Since > h.Seq {
			break
		}
		rot, err := audit.RotationAt(r, k.Since)
		if err != nil {
			return err
		}
		out.Rotations = append(out.Rotations, api.Rotation{
			Seq: rot.Seq, Prev: rot.Prev.String(), Event: rot.Event, Signatures: base64.StdEncoding.EncodeToString(rot.Signatures),
		})
	}
	return nil
}

// CheckTrail checks the whole vault now, for owners: what only the daemon sees, the
// records and values, among it. One at a time. What it finds stops the daemon, as when
// it had looked by itself.
func (v *Vault) CheckTrail(ctx context.Context, req Request) (out api.TrailCheck, err error) {
	if err := v.lookAtTrail(ctx, req); err != nil {
		return out, err
	}
	if !v.checking.TryLock() {
		return out, api.New(api.CodeConflict, "the vault is being checked already").WithHint("try again when that is done")
	}
	defer v.checking.Unlock()
	rep, err := verifyAll(ctx, v.db)
	if err != nil {
		return out, asAPI(err)
	}
	if rep.Problem != "" {
		v.broken(rep)
	}
	return api.TrailCheck{
		OK: rep.Problem == "", Events: rep.Events, Heads: rep.Heads, Records: rep.Records, FirstBad: rep.FirstBad, Problem: rep.Problem,
	}, nil
}
