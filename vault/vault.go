// Package vault is the domain: secrets, agents, owners and tokens. It is the
// only room that ties store, audit, policy, seal and envelope together.
//
// What it guarantees:
//
//   - Decisions are made where they are committed: caller, token, agent, tier
//     and uses are looked up inside the write transaction that commits the
//     event. In the trail no success follows the act that forbids it.
//   - A value leaves only after its secret.read event is durable; when the trail
//     cannot be written, reads are refused too. Refusals are events as well.
//   - Keys are stored as SHA-256 of 256 random bits; a token is a handle on a
//     live record, so a revoke bites on the next request.
//
// What it will not do: speak HTTP, print, or trust a record whose check fails.
//
// Crash points: every act is one store operation, so after a crash it has
// happened with its event or not at all. A new vault is born in one commit;
// a key file without a vault beside it is used by the next start. The first
// approval passphrase of a vault with secrets is set in one commit, which also says
// that sealing them anew has begun; then come some secrets in each commit, the
// compacted file in the place of the old one, and the commit that says it is done.
// Killed between any of them, the next start goes on. The KEK and the root key are turned
// over in the same way, but while the vault serves. A backup that is to be another vault
// becomes it by one rename: killed before that, the next start begins anew; after it, it
// writes the head file.
package vault

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/audit/chain"
	"github.com/agent-secret-store/assd/internal/crashpoint"
	"github.com/agent-secret-store/assd/policy"
	"github.com/agent-secret-store/assd/store"
	"github.com/agent-secret-store/assd/vault/envelope"
	"github.com/agent-secret-store/assd/vault/seal"
)

// Config says where a vault lives. Now and Log may be zero: the wall clock, and
// nothing is logged.
type Config struct {
	Dir     string   // data dir, 0700
	KeyFile string   // the file slot's key; "": root.key in Dir. Its folder also holds head
	Openers []Opener // what opens it, tried in this order; nil: the key file
	// Seals makes what opens a new vault of that tenant, a slot for each, to be wiped by
	// the vault; nil: the key file, which is made where it is missing.
	Seals  func(tenant string) ([]seal.Secret, error)
	Now    func() time.Time
	Log    hclog.Logger
	Argon2 seal.Argon2Params // what a passphrase costs; zero: the default
	// RotationAnswer is how long whoever asks for a rotation by a command waits for its
	// end; 0: 30 seconds.
	RotationAnswer time.Duration
	// Dial makes the connections of webhooks; nil: those of the system.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)

	unsealing   *unsealing // how the vault was opened that was sealed; nil: it was not
	mostSigners int        // see maxSigners, which 0 is; tests have fewer
}

// openers are what may open the vault now: what somebody gave, or what is configured.
func (c Config) openers() []Opener {
	if c.unsealing != nil && c.unsealing.with != nil {
		return c.unsealing.with
	}
	return c.configured()
}

// given are all that have been: what somebody gave, and what is configured.
func (c Config) given() []Opener {
	if c.unsealing == nil {
		return c.configured()
	}
	return append(slices.Clone(c.unsealing.with), c.configured()...)
}

// configured are what may open the vault at any time.
func (c Config) configured() []Opener {
	if c.Openers != nil {
		return c.Openers
	}
	return []Opener{FileOpener(c.keyFile())}
}

// argon2 is what a passphrase costs.
func (c Config) argon2() seal.Argon2Params {
	if c.Argon2 == (seal.Argon2Params{}) {
		return seal.DefaultArgon2()
	}
	return c.Argon2
}

func (c Config) dbFile() string      { return filepath.Join(c.Dir, "vault.db") }
func (c Config) reserveFile() string { return filepath.Join(c.Dir, "reserve") }

func (c Config) keyFile() string {
	if c.KeyFile != "" {
		return c.KeyFile
	}
	return filepath.Join(c.Dir, "root.key")
}

// keyKept reports whether the key file is where the configuration says.
func (c Config) keyKept() bool {
	_, err := os.Lstat(c.keyFile())
	return err == nil
}

func (c Config) headFile() string { return filepath.Join(filepath.Dir(c.keyFile()), "head") }

// Folders are those that an open vault writes to.
func (c Config) Folders() []string { return []string{c.Dir, filepath.Dir(c.headFile())} }

func (c *Config) fill() {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = hclog.NewNullLogger()
	}
}

// Vault is an open, unsealed vault. Its methods are safe for concurrent use.
type Vault struct {
	cfg    Config
	db     *store.DB
	log    *audit.Log
	heads  *audit.HeadFile
	tenant string
	roots  atomic.Pointer[roots] // wiped by Close
	rings  atomic.Pointer[keyrings]
	tokens atomic.Pointer[tokenKey]
	cache  recordCache

	keys        openKeys
	public      atomic.Pointer[envelope.ApprovalRecipient]
	tries       tries
	compiled    atomic.Pointer[compiledPolicy]
	offers      offers
	onAccept    atomic.Pointer[func(string)]
	process     atomic.Pointer[Process]
	slotCommand atomic.Pointer[func(context.Context) (seal.Secret, error)] // nil: there is none

	denials denials // owned by whoever the store lets write
	outbox  outbox  // the same
	hooks   webhooks
	points  checkpoints
	backups backups
	shed    shed
	active  activity
	news    news // of requests
	events  news // of the trail

	indexing   indexing
	turning    turning
	compacting compacting

	rotations *rotations
	slow      sync.Mutex // a key that takes seconds to make, one at a time

	checking sync.Mutex // a check of the whole trail that somebody has asked for

	sealing   atomic.Bool   // the event of the seal is written: nothing more is done
	sealAsked chan struct{} // closed once that is durable

	headFailing atomic.Pointer[error] // why the last write of the head file failed; nil: it did not

	claimed atomic.Bool // goes from false to true and never back
	chain   atomic.Pointer[string]

	stop context.CancelFunc
	done sync.WaitGroup
	dead chan struct{} // closed when the vault must stop serving
	once sync.Once
	why  error // set before dead is closed
}

// ErrNoVault says that a data dir holds no vault.
var ErrNoVault = errors.New("there is no vault here")

// Tenant is the random id of this vault.
func (v *Vault) Tenant() string { return v.tenant }

// VerifyKey is the key that signs the heads of the trail.
func (v *Vault) VerifyKey() string { return v.log.VerifyKey() }

// Claimed reports whether the vault has had its first owner.
func (v *Vault) Claimed() bool { return v.claimed.Load() }

// Chain says how the check of the whole chain stands: "running", "ok", or what
// is broken.
func (v *Vault) Chain() string { return *v.chain.Load() }

// Dead is closed when the vault must not serve any longer: the disk is in an
// unknown state or the chain is broken. Err says which.
func (v *Vault) Dead() <-chan struct{} { return v.dead }

// Err is why the vault must not serve any longer, or nil.
func (v *Vault) Err() error {
	select {
	case <-v.dead:
		return v.why
	default:
		return nil
	}
}

func (v *Vault) die(err error) {
	v.once.Do(func() {
		v.why = err
		close(v.dead)
	})
}

// committed runs after each durable commit, before anyone else may write.
func (v *Vault) committed() {
	v.log.Committed()
	v.indexing.committed(v.log.Head().Seq)
	if v.outbox.fresh {
		v.outbox.fresh = false
		for _, c := range v.couriers() {
			c.news()
		}
	}
	v.keepHead()
	crashpoint.At("head.written")
	v.events.tell()
}

// keepHead writes the head file. Where that fails, what was committed stands, and the file
// is behind, which a start lets pass: it is logged once, and told for as long as it lasts.
func (v *Vault) keepHead() {
	err := v.heads.Write(v.log.Head())
	var now *error
	if err != nil {
		now = &err
	}
	was := v.headFailing.Swap(now)
	switch {
	case err != nil && (was == nil || (*was).Error() != err.Error()):
		v.cfg.Log.Error("the head file cannot be written: until it can, an older copy of the data file would pass for the newest", "error", err)
	case err == nil && was != nil:
		v.cfg.Log.Info("the head file is written again")
	}
}

// headProblem is why the newest head is not in the head file; "": it is.
func (v *Vault) headProblem() string {
	if err := v.headFailing.Load(); err != nil {
		return (*err).Error()
	}
	return ""
}

// Close writes what was only counted, waits for the background work, and
// closes the file.
func (v *Vault) Close() error {
	v.rotations.close()
	v.hooks.mu.Lock() // no courier is set off any more
	v.points.mu.Lock()
	v.backups.mu.Lock()
	v.stop()
	v.backups.mu.Unlock()
	v.points.mu.Unlock()
	v.hooks.mu.Unlock()
	v.done.Wait()
	err := v.flushDenials(context.Background())
	if errors.Is(err, store.ErrStopped) || errors.Is(err, store.ErrFull) {
		err = nil // it has been reported where it happened
	}
	v.lastCheckpoints()
	err = errors.Join(err, v.db.Close(), v.heads.Close())
	v.roots.Load().wipe()
	return err
}

// run starts the background work: counted refusals and what has expired once a
// minute, the compaction and what is to be rotated on schedule, the check of the whole chain,
// the indexes of the trail, and what is left of turning over the keys.
func (v *Vault) run() {
	ctx, cancel := context.WithCancel(context.Background())
	v.stop, v.hooks.ctx, v.points.ctx, v.rotations.ctx, v.backups.ctx = cancel, ctx, ctx, ctx, ctx
	v.done.Go(func() {
		v.everyMinute(ctx, "counted refusals, expired requests or a change of webhooks could not be written yet", v.tidy)
	})
	v.done.Go(func() { v.everyMinute(ctx, "the data file could not be compacted yet", v.compactOnSchedule) })
	v.done.Go(func() { v.rotateOnSchedule(ctx) })
	v.done.Go(func() { v.checkEvery(ctx, checkInterval) })
	v.done.Go(func() { v.indexTrail(ctx) })
	v.done.Go(func() { v.turnKeys(ctx) })
	v.done.Go(func() {
		select {
		case <-v.db.Done():
			v.die(fmt.Errorf("the data file is in an unknown state: %w", v.db.Failed()))
		case <-ctx.Done():
		}
	})
}

// everyMinute runs fn until ctx ends. What is logged when it fails is warning.
func (v *Vault) everyMinute(ctx context.Context, warning string, fn func(context.Context) error) {
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := fn(ctx); err != nil && !errors.Is(err, context.Canceled) {
			v.cfg.Log.Warn(warning, "error", err)
		}
	}
}

// tidy writes what was only counted, and closes and removes what has ended.
// Neither opens anything while it is still there.
func (v *Vault) tidy(ctx context.Context) error {
	return errors.Join(v.flush(ctx, false), v.Sweep(ctx), v.tidyKeys(ctx), v.settleWebhooks(ctx))
}

// tidyKeys lets go of the approval key where nothing is open any more that reads
// with it. It changes nothing in the file, but looks where the writer does: there
// what has just been opened, and is not committed yet, is seen to be open.
func (v *Vault) tidyKeys(ctx context.Context) error {
	if v.keys.empty() {
		return nil
	}
	return v.db.UpdateReserved(ctx, func(tx *store.Tx) error {
		m, err := v.momentOf(tx)
		if err == nil {
			v.keys.tidy(m.now, func(id string) bool { return v.stillOpen(tx, m, id) })
		}
		return err
	})
}

// letGo is tidyKeys after an act that may have ended something: what cannot be looked
// at is not open any more.
func (v *Vault) letGo() {
	err := v.tidyKeys(context.Background())
	if err != nil && !errors.Is(err, store.ErrBusy) { // when busy, the next minute does it
		v.keys.dropAll()
		v.cfg.Log.Warn("what is open could not be looked at; the approval key is dropped", "error", err)
	}
}

// stillOpen reports whether an approval or a token with that id can still be used.
// What cannot be read is not.
func (v *Vault) stillOpen(r store.Reader, m moment, id string) bool {
	if t, err := load[token](v, r, store.Tokens, id); err != nil || t != nil {
		if err == nil && t.live(m) {
			_, err = v.living(r, t.Kind, t.Holder)
			return err == nil
		}
		return false
	}
	a, err := load[approval](v, r, store.Approvals, id)
	if err != nil || a == nil || !a.open(m) || a.Terms.MaxUses > 0 && a.Used >= a.Terms.MaxUses {
		return false
	}
	if _, err = v.living(r, a.kindOfAsker(), a.Agent); err != nil {
		return false
	}
	return slices.ContainsFunc(a.Wants, func(w want) bool { return v.stillReads(r, m, a, w) })
}

// stillReads reports whether what was approved still opens the value that w is
// about: the secret is there, and of the tier that it was.
func (v *Vault) stillReads(r store.Reader, m moment, a *approval, w want) bool {
	p, err := policy.ParsePath(w.Path)
	if err != nil || !m.needsKey(w.Action, w.Tier) {
		return false
	}
	h, err := v.header(r, p)
	if h = h.forAgents(m.now); err != nil || h.id() != w.Secret || h.tierRev() != w.Rev {
		return false
	}
	g, err := load[grant](v, r, store.Grants, grantPrefix(a.Agent, w.Action, w.Path)+a.ID)
	return err == nil && g != nil
}

// checkInterval is how often the whole chain is checked while serving.
const checkInterval = 6 * time.Hour

// checkEvery checks the chain now and then again and again.
func (v *Vault) checkEvery(ctx context.Context, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		v.checkChain(ctx)
		select {
		case <-ctx.Done():
			return
		case <-v.dead:
			return
		case <-tick.C:
		}
	}
}

// checkChain verifies the whole chain and hands what it learned to the log.
func (v *Vault) checkChain(ctx context.Context) {
	rep, err := verifyAll(ctx, v.db)
	switch {
	case ctx.Err() != nil:
	case err != nil:
		v.setChain("not checked: " + err.Error())
		v.cfg.Log.Error("the audit chain could not be checked; stopping", "error", err)
		v.die(fmt.Errorf("checking the audit chain: %w", err))
	case rep.Problem != "":
		v.broken(rep)
	default:
		v.active.adopt(rep.Ledger.Active)
		// It changes nothing in the file, so a full disk is no reason to refuse it.
		err := v.db.UpdateReserved(ctx, func(*store.Tx) error { return v.log.Adopt(rep.Ledger) })
		if err != nil && ctx.Err() == nil {
			v.setChain("broken: " + err.Error())
			v.die(fmt.Errorf("after the check of the audit chain: %w (run assd verify)", err))
		}
		if err != nil {
			return
		}
		v.setChain("ok")
		v.cfg.Log.Info("the audit chain verifies", "events", rep.Events)
	}
}

func (v *Vault) setChain(s string) { v.chain.Store(&s) }

// broken stops the vault for what a check of the whole chain has found.
func (v *Vault) broken(rep audit.Report) {
	broken := brokenChain(rep)
	v.setChain("broken: " + broken.Error())
	v.cfg.Log.Error("the audit chain is broken; stopping", "error", broken)
	v.die(broken)
}

func brokenChain(rep audit.Report) error {
	return fmt.Errorf("audit %w (run assd verify)", &chain.Bad{Seq: rep.FirstBad, Problem: rep.Problem})
}
