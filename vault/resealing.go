package vault

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/policy"
	"github.com/agent-secret-store/assd/store"
	"github.com/agent-secret-store/assd/vault/api"
	"github.com/agent-secret-store/assd/vault/envelope"
)

// How much one transaction seals anew: so many secrets, and no more of them once
// they have so many versions, each of which may be a MiB.
const (
	resealAtOnce   = 16
	resealVersions = 10 * resealAtOnce
)

// finishResealing seals to the approval key what the KEK still opens of secrets
// that need a person, and writes the file anew without what it was. It wants the
// vault open and nobody else using it, and gives back another one that is open.
// Killed at any point, it is begun again by the next start.
func finishResealing(ctx context.Context, v *Vault) (*Vault, error) {
	for after, more := "", true; more; {
		var err error
		if after, more, err = v.resealSome(ctx, after); err != nil {
			return nil, errors.Join(fmt.Errorf("sealing values to the approval key: %w", err), v.abandon())
		}
	}
	cfg := v.cfg
	before, err := v.db.Size()
	if err := errors.Join(err, v.abandon()); err != nil {
		return nil, err
	}
	if err := store.Compact(cfg.dbFile()); err != nil {
		return nil, err
	}
	next, err := openSame(cfg)
	if err != nil {
		return nil, err
	}
	if err := next.noteResealed(context.WithoutCancel(ctx), before); err != nil { // it is done, and took long
		return nil, errors.Join(err, next.abandon())
	}
	return next, nil
}

// openSame opens a vault that is there, without the background work.
func openSame(cfg Config) (*Vault, error) {
	if exists, err := Exists(cfg); err != nil || !exists {
		return nil, cmp.Or(err, fmt.Errorf("%w in %q: --data-dir names another folder", ErrNoVault, cfg.Dir))
	}
	v, err := open(context.Background(), cfg)
	if err != nil {
		return nil, err
	}
	if err := v.resume(context.Background()); err != nil {
		return nil, errors.Join(err, v.abandon())
	}
	return v, nil
}

// resealSome seals some secrets anew, those behind the path after, and says which was
// the last of them and whether there may be more.
func (v *Vault) resealSome(ctx context.Context, after string) (last string, more bool, err error) {
	var paths []policy.Path
	if err := v.db.View(func(s *store.Snapshot) (err error) {
		paths, err = v.unsealedToKey(s, after)
		return err
	}); err != nil || len(paths) == 0 {
		return after, false, err
	}
	err = v.db.Update(ctx, func(tx *store.Tx) error {
		for _, p := range paths {
			if err := v.resealSecret(tx, p); err != nil {
				return err
			}
		}
		return nil
	})
	return paths[len(paths)-1].String(), true, err
}

// unsealedToKey finds some secrets behind a path that need a person and that the
// KEK opens.
func (v *Vault) unsealedToKey(r store.Reader, after string) (paths []policy.Path, err error) {
	versions := 0
	err = r.Scan(store.Secrets, []byte(after), func(k, _ []byte) (bool, error) {
		p, err := policy.ParsePath(string(k))
		if err != nil || p.String() == after {
			return err == nil, err
		}
		h, err := loadOnce[header](v, r, store.Secrets, p.String())
		if err != nil || !h.exists() || !protected(h.Tier) {
			return err == nil, err
		}
		for _, ver := range h.Versions {
			by, err := envelope.SealedBy(r.Get(store.Values, valueKey(h.ID, ver.N)))
			if err == nil && v.has(by) {
				paths, versions = append(paths, p), versions+len(h.Versions)
				break
			}
		}
		return len(paths) < resealAtOnce && versions < resealVersions, nil
	})
	return paths, err
}

func (v *Vault) resealSecret(tx *store.Tx, p policy.Path) error {
	h, err := v.header(tx, p)
	if err != nil || !h.exists() {
		return err
	}
	next := *h
	to, err := v.sealerFor(tx, h.Tier)
	if err != nil {
		return err
	}
	if err := v.reseal(tx, p, &next, to, ""); err != nil {
		return err
	}
	ev := audit.Event{Actor: daemonActor, Action: audit.SecretReseal, Outcome: audit.OK}
	ev.Namespace, ev.Key, ev.Version, ev.Reason = p.Namespace().String(), p.Key(), h.Current, "to the approval key"
	_, err = v.log.Append(tx, ev, put(store.Secrets, p.String(), next))
	return err
}

// noteResealed records that the file was compacted, of what size it was before, and that
// nothing is left to be sealed anew.
func (v *Vault) noteResealed(ctx context.Context, before store.Size) error {
	after, err := v.db.Size()
	if err != nil {
		return err
	}
	did := compacted(audit.Event{Actor: daemonActor}, api.Compaction{Before: uint64(before.File), After: uint64(after.File)})
	return v.db.Update(ctx, func(tx *store.Tx) error {
		st, err := v.state(tx)
		if err != nil {
			return err
		}
		if _, err := v.log.Append(tx, did); err != nil {
			return err
		}
		next := *st
		next.Resealing = false
		ev := audit.Event{Actor: daemonActor, Action: audit.SecretReseal, Outcome: audit.OK, Reason: "all is sealed to the approval key; the file is compacted"}
		_, err = v.log.Append(tx, ev, put(store.Vault, stateKey, next))
		return err
	})
}
