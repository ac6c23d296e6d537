package vault

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/store"
	"github.com/agent-secret-store/assd/vault/api"
	"github.com/agent-secret-store/assd/vault/seal"
)

// ErrUnsealed says that a sealed vault has been opened meanwhile.
var ErrUnsealed = errors.New("the vault is open")

// Sealed is a vault that is there and that nothing has opened yet. It holds no key, and
// neither the data file nor its lock. Its methods are safe for concurrent use.
type Sealed struct {
	cfg   Config
	until context.Context // ends what takes long of an opening
	tries tries

	mu     sync.Mutex
	opened bool
	failed int // passphrases that were wrong; what is counted here goes with the process
	last   audit.Source
}

// NewSealed is the vault in cfg.Dir, to be opened with a passphrase or with cfg.Openers,
// until ctx ends: see [OpenUntil]. Whoever has asked for it need not stay so long.
func NewSealed(ctx context.Context, cfg Config) *Sealed {
	cfg.fill()
	return &Sealed{cfg: cfg, until: ctx}
}

// unsealing is how a sealed vault is opened, and what the event of that says.
type unsealing struct {
	from   Origin
	with   []Opener // in place of those of the config, for this once; nil: those
	failed int
	last   audit.Source
}

// Unseal opens the vault: with a passphrase, or, where that is nil, with what the openers
// have now. One try is made at a time, and each wrong passphrase makes the next one of
// its source wait longer. Who tries in vain is told in an *[api.Error]; ErrUnsealed says
// that somebody else was faster.
func (s *Sealed) Unseal(ctx context.Context, from Origin, passphrase *string) (*Vault, error) {
	leave, err := s.tries.enter(ctx, from.Class())
	if err != nil {
		return nil, err
	}
	v, err := s.try(from, passphrase)
	leave(s.note(from, err))
	if err != nil {
		return nil, s.explain(from, err)
	}
	return v, nil
}

// try is one try.
func (s *Sealed) try(from Origin, passphrase *string) (*Vault, error) {
	var with []Opener
	if passphrase != nil {
		p, err := seal.NewPassphrase([]byte(*passphrase))
		if err != nil { // so it cannot be the right one
			return nil, seal.ErrWrongPassphrase
		}
		defer p.Wipe()
		with = []Opener{PassphraseOpener(p)}
	}
	return s.open(from, with)
}

// open opens the vault, once.
func (s *Sealed) open(from Origin, with []Opener) (*Vault, error) {
	cfg := s.cfg
	s.mu.Lock()
	opened := s.opened
	cfg.unsealing = &unsealing{from, with, s.failed, s.last}
	s.mu.Unlock()
	if opened {
		return nil, ErrUnsealed
	}
	v, err := OpenUntil(s.until, cfg)
	if err == nil {
		s.mu.Lock()
		s.opened = true
		s.mu.Unlock()
	}
	return v, err
}

// note counts a wrong passphrase, and returns err.
func (s *Sealed) note(from Origin, err error) error {
	if errors.Is(err, seal.ErrWrongPassphrase) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.failed++
		s.last = from.Source
		s.cfg.Log.Warn("a wrong passphrase was tried on the sealed vault", "source", from.Source.Place(), "tries", s.failed)
	}
	return err
}

// SlotKinds is the detail of a refusal to unseal that says what opens the slots.
const SlotKinds = "slots"

// explain is err as it may be told to who asked. What the operator's files are called is
// told on this machine alone.
func (s *Sealed) explain(from Origin, err error) error {
	sealed, failed := errors.AsType[*SealedError](err)
	switch {
	case errors.Is(err, ErrUnsealed):
		return err
	case errors.Is(err, seal.ErrWrongPassphrase):
		return api.New(api.CodeUnauthorized, "the passphrase is wrong: the vault stays sealed").WithHint(unsealHint)
	case failed:
		message := sealed.Error()
		if !from.Local {
			message = "what is at hand does not open the vault"
		}
		refused := api.New(api.CodeUnauthorized, message).WithHint(unsealHint)
		refused.Details = map[string]any{SlotKinds: sealed.Kinds}
		return refused
	case s.until.Err() != nil && errors.Is(err, context.Canceled):
		return api.New(api.CodeInternal, "the daemon stops, and the vault is not open yet").WithHint("start it again: assd; then " + unsealHint)
	case errors.Is(err, store.ErrLocked):
		return api.New(api.CodeConflict, "the vault is in use by another process").WithHint("when that has ended: " + unsealHint)
	}
	if told, ok := errors.AsType[*api.Error](asAPI(err)); ok {
		return told
	}
	s.cfg.Log.Error("the sealed vault cannot be opened", "error", err)
	return api.New(api.CodeInternal, "the vault cannot be opened; the daemon's log says why").WithHint("run: assd verify")
}

const unsealHint = "ass vault unseal"

// SealedNow is what a sealed vault answers.
func SealedNow() *api.Error {
	return api.New(api.CodeSealed, "the vault is sealed: nothing is answered until it is opened").WithHint(unsealHint)
}

// noteUnseal writes that a sealed vault was opened, by which slot, and what was tried
// in vain before: the first commit of the vault that is open again.
func (v *Vault) noteUnseal() error {
	u := v.cfg.unsealing
	if u == nil {
		return nil
	}
	ev := u.from.event(audit.VaultUnseal, daemonActor)
	ev.Subject = &audit.Subject{ID: string(v.roots.Load().slot)}
	if u.failed > 0 {
		ev.Count = u.failed
		ev.Reason = fmt.Sprintf("wrong passphrases while it was sealed: %d, the last from %s", u.failed, u.last.Place())
	}
	return v.db.UpdateReserved(context.Background(), func(tx *store.Tx) error {
		_, err := v.log.Append(tx, ev)
		return err
	})
}

// Unsealed says how a vault was opened that was sealed.
func (v *Vault) Unsealed() api.Unsealed {
	if v.cfg.unsealing == nil {
		return api.Unsealed{}
	}
	return api.Unsealed{Slot: string(v.roots.Load().slot), Failed: v.cfg.unsealing.failed}
}

// WhileLocked runs fn while nobody else can have the vault's data file open; no slot is
// opened for it.
func WhileLocked(cfg Config, fn func() error) error {
	db, err := store.Open(store.Config{Path: cfg.dbFile(), MustExist: true})
	if err != nil {
		return err
	}
	return errors.Join(fn(), db.Close())
}
