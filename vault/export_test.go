package vault

import (
	"context"
	"errors"
	"time"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/policy"
	"github.com/agent-secret-store/assd/store"
	"github.com/agent-secret-store/assd/vault/api"
	"github.com/agent-secret-store/assd/vault/seal"
)

// KeyChecksum is the checksum that a key ends in, for keys made up by tests.
func KeyChecksum(body string) string { return checksum(body) }

// FlushDue does what the vault does once a minute: it writes the refusals that
// were only counted, and forgets what was quiet.
func (v *Vault) FlushDue(ctx context.Context) error {
	return v.db.Update(ctx, func(tx *store.Tx) error { return v.denials.flush(tx, v.log, false) })
}

// OpenUnchecked is Open as it stands before the check of the whole chain, which
// runs in the background, has looked at anything.
func OpenUnchecked(cfg Config) (*Vault, error) {
	v, err := open(context.Background(), cfg)
	if err == nil {
		_, v.stop = context.WithCancel(context.Background())
		err = v.compareHead()
	}
	return v, err
}

// LookAmid looks for a key, and calls fn between the snapshot and the second look at
// whose key it is.
func (v *Vault) LookAmid(ctx context.Context, req Request, fn func()) error {
	return v.look(ctx, req, audit.MeRead, false, func(store.Reader, *caller) error { fn(); return nil })
}

// KeysKept is what the private half of the approval key is kept for, and whether
// it is in memory.
func (v *Vault) KeysKept() (ids []string, held bool) {
	ids = v.keys.ids()
	v.keys.mu.Lock()
	defer v.keys.mu.Unlock()
	return ids, v.keys.key != nil
}

// TidyKeys does what the vault does once a minute about the approval key.
func (v *Vault) TidyKeys() error { return v.tidyKeys(context.Background()) }

// OccupyTries lets nobody's passphrase be computed until it is released.
func (v *Vault) OccupyTries() (release func()) {
	release, err := v.tries.alone(context.Background())
	if err != nil {
		panic(err)
	}
	return release
}

// SealWith makes p open the vault in cfg.Dir too, which nobody has open.
func SealWith(cfg Config, p seal.Passphrase) error {
	cfg.fill()
	v, err := open(context.Background(), cfg)
	if err != nil {
		return err
	}
	s, err := seal.NewSlot(v.root(), v.tenant, p, cfg.argon2())
	if err != nil {
		return err
	}
	content, err := s.Marshal()
	if err != nil {
		return err
	}
	err = v.db.Update(context.Background(), func(tx *store.Tx) error {
		_, err := v.log.Append(tx, audit.Event{Actor: daemonActor, Action: "vault.slot_add", Outcome: audit.OK},
			audit.Change{Object: audit.Object{Bucket: store.Slots, Key: string(s.ID)}, Content: content})
		return err
	})
	return errors.Join(err, v.abandon())
}

// Stages of SetPassphrase, each of which may be the last one.
const (
	StageSet     = iota // the first commit
	StageSome           // some secrets are sealed anew
	StageAll            // all are
	StageCompact        // and the file is compacted
	StageNoted          // and the vault says so
)

// SetPassphraseUpTo is SetPassphrase killed behind one of its stages.
func SetPassphraseUpTo(ctx context.Context, cfg Config, want PassphraseSetting, stage int) (recovery string, err error) {
	p, err := seal.NewPassphrase(want.New)
	if err != nil {
		return "", err
	}
	v, err := openSame(cfg)
	if err != nil {
		return "", err
	}
	recovery, err = v.setPassphrase(ctx, want, p)
	for after, more := "", true; err == nil && more && stage > StageSet; {
		if after, more, err = v.resealSome(ctx, after); stage == StageSome {
			break
		}
	}
	if err = errors.Join(err, v.abandon()); err != nil || stage < StageCompact {
		return recovery, err
	}
	if err = store.Compact(cfg.dbFile()); err != nil || stage < StageNoted {
		return recovery, err
	}
	if v, err = openSame(cfg); err == nil {
		err = errors.Join(v.noteResealed(ctx, store.Size{}), v.abandon())
	}
	return recovery, err
}

// Proved is a request that a passphrase came with.
func (v *Vault) Proved(ctx context.Context, req Request, passphrase string) (Request, error) {
	return v.stepUp(ctx, req, &passphrase)
}

// ForgiveTries forgets all wrong tries of a passphrase.
func (v *Vault) ForgiveTries() {
	v.tries.mu.Lock()
	defer v.tries.mu.Unlock()
	for _, l := range v.tries.lines {
		l.failed, l.until = 0, time.Time{}
	}
}

// OpensWithKeyFor reports whether anything that is open has the approval key for the
// secret at that path, whatever the records say.
func (v *Vault) OpensWithKeyFor(t interface{ Fatal(...any) }, path string) (opens bool) {
	err := v.db.View(func(s *store.Snapshot) error {
		p, err := policy.ParsePath(path)
		if err != nil {
			return err
		}
		h, err := v.header(s, p)
		if err != nil {
			return err
		}
		for _, id := range v.keys.ids() {
			pay, err := v.unseal(s, p, h.ID, *h.version(0), id)
			if err == nil {
				opens = true
				pay.Wipe()
			} else if err != errNoKey {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return opens
}

// KeptHistory is what is kept of a secret that is only written, without a vault.
type KeptHistory struct{ h header }

// Write makes the next version, and reports whether there was room for it.
func (k *KeptHistory) Write(by string, now time.Time) bool {
	if !ownsID(by) && k.h.full(now) {
		return false
	}
	k.h.Current++
	next := append(k.h.superseded(now), version{N: k.h.Current, At: now, By: by})
	k.h.Versions, _ = retained(next, now)
	return true
}

// Kept is the numbers of the kept versions, oldest first.
func (k *KeptHistory) Kept() (all []uint64) {
	for _, ver := range k.h.Versions {
		all = append(all, ver.N)
	}
	return all
}

// ExportBetween is Export with something done between the snapshot and the decision.
func (v *Vault) ExportBetween(ctx context.Context, req Request, want api.ExportRequest, between func()) ([]*Reading, error) {
	d, err := draftExport(want)
	if err != nil {
		return nil, err
	}
	e, err := v.openExport(req, d)
	if err != nil {
		return nil, err
	}
	between()
	out, err := v.tryExport(ctx, req, d, e)
	if errors.Is(err, errStale) {
		return v.Export(ctx, req, want)
	}
	return out, asAPI(err)
}

// ImportBetween is a dry run with something done between the snapshot and the decision.
func (v *Vault) ImportBetween(ctx context.Context, req Request, want api.ImportRequest, between func()) (api.ImportResponse, error) {
	want.DryRun = true
	d, err := draftImport(want)
	if err == nil {
		err = v.prepareImport(req, d)
	}
	if err != nil {
		return api.ImportResponse{}, err
	}
	between()
	answer, err := v.tryImport(ctx, req, d)
	if errors.Is(err, errStale) {
		return v.Import(ctx, req, want)
	}
	return answer, asAPI(err)
}

// SetMaxOutbox makes the outbox smaller, before any webhook is set.
func (v *Vault) SetMaxOutbox(n int) error {
	return v.db.Update(context.Background(), func(*store.Tx) error { v.outbox.most = n; return nil })
}

// FlushCounted does what the vault does once a minute about what it only counts.
func (v *Vault) FlushCounted(ctx context.Context) error { return v.flush(ctx, false) }

// Counted is what Stats makes of events.
func Counted(f audit.Filter, events []audit.Event) api.AuditStats {
	c := newCounting(f)
	for _, e := range events {
		c.add(e)
	}
	return c.result()
}

// Bounds of what Stats counts.
const (
	StatsRows    = statsRows
	StatsTracked = statsTracked
	StatsBuckets = statsBuckets
)

// BucketWidth is how long each piece of a time is.
func BucketWidth(from, until time.Time) time.Duration { return bucketWidth(from, until) }

// CompactDue does what the vault does once a minute about the size of its file.
func (v *Vault) CompactDue(ctx context.Context) error { return v.compactOnSchedule(ctx) }

// SetMaxSigners has owners get no other key once so many have signed the trail.
func (c *Config) SetMaxSigners(n int) { c.mostSigners = n }

// WhileWriting runs fn as something that the writer runs: who commits meanwhile queues
// behind it.
func (v *Vault) WhileWriting(fn func()) error {
	return v.db.Update(context.Background(), func(*store.Tx) error { fn(); return nil })
}

// RewrapBetween wraps all values anew, for the keyring they are wrapped by, with something
// done between the look and the commit.
func (v *Vault) RewrapBetween(ctx context.Context, between func()) (moved int, err error) {
	paths, err := v.pathsByID(ctx)
	if err != nil {
		return 0, err
	}
	found, _, _, err := v.findWraps(v.keyring(), nil)
	if err != nil {
		return 0, err
	}
	between()
	moved, left, err := v.rewrapSome(ctx, v.keyring(), paths, found)
	return moved, errors.Join(left, err)
}

// ChecksOf is what the doctor says about what the daemon knows of itself.
func ChecksOf(p *api.Protection) []api.Check {
	return append([]api.Check{checkProcess(p), checkSwap(p), checkPassphrase(p), checkCheckpoints(p)}, (*Vault)(nil).checkFiles(p)...)
}

// RootKey is the root key that is in use.
func (v *Vault) RootKey() *seal.RootKey { return v.root() }

// CheckFree is what the doctor says of a disk.
var CheckFree = checkFree

// RotateUndone is RotateKEK whose commit fails.
func (v *Vault) RotateUndone(ctx context.Context, req Request, want api.KEKRotation) error {
	keys, err := v.makeKeys()
	if err != nil {
		return err
	}
	if keys.root, err = v.newRoot(ctx, req, want); err != nil {
		return err
	}
	return v.do(ctx, on("kek.rotate"), req, func(a *act) error {
		st, err := v.state(a.tx)
		if err == nil {
			_, err = a.beginTurn(*st, keys, want)
		}
		return errors.Join(err, errors.New("and undone"))
	})
}

// KeepsOldKeys reports whether a keyring or a root key that was replaced is in memory.
func (v *Vault) KeepsOldKeys() bool { return v.rings.Load().old != nil || v.roots.Load().before != nil }

// TakenOverBuckets are the buckets of records that [RestoreAsNew] decides about.
func TakenOverBuckets() (all []store.Bucket) {
	for b := range takenOver {
		all = append(all, b)
	}
	return all
}

// LastCompacted is when the file was compacted last, by the trail, or else the vault made.
func (v *Vault) LastCompacted(ctx context.Context) (time.Time, error) { return v.lastCompacted(ctx) }
