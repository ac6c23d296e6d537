package vault

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/policy"
	"github.com/agent-secret-store/assd/store"
	"github.com/agent-secret-store/assd/vault/api"
)

// fileKind is one of the two files that an operator writes. What counts is the
// text of it that was accepted last, which lies in the vault; never the file.
type fileKind struct {
	name   string // as the API calls it
	key    string // of its record in bucket vault; its text is the record with "-text" behind that
	action audit.Action
}

var (
	policyFile = fileKind{api.PolicyFile, "policy", audit.PolicyReload}
	configFile = fileKind{api.ConfigFile, "config", audit.ConfigReload}
)

func (k fileKind) textKey() string { return k.key + "-text" }

// acceptedFile is the record of the text in force; the text is a record of its
// own, so that what every act looks up stays small.
type acceptedFile struct {
	Digest string    `json:"digest"`
	At     time.Time `json:"at"`
	By     string    `json:"by"`
}

type acceptedText struct {
	Text []byte `json:"text"`
}

// compiledPolicy is a policy with the digest of the text it was made from.
type compiledPolicy struct {
	digest string
	policy *policy.Policy
}

// offer is a file as the daemon has seen it last. It decides nothing.
type offer struct {
	path    string
	text    []byte
	problem string
	held    bool // waits for an owner
}

// offers are the last ones of each file.
type offers struct {
	mu sync.Mutex
	m  map[string]offer // by name
}

func (o *offers) set(name string, f offer) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.m == nil {
		o.m = map[string]offer{}
	}
	o.m[name] = f
}

func (o *offers) get(name string) offer {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.m[name]
}

// accepted notes that a text is held no more, if it is still the one offered.
func (o *offers) accepted(name string, text []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if f := o.m[name]; bytes.Equal(f.text, text) {
		f.held = false
		o.m[name] = f
	}
}

func digestOf(text []byte) string {
	h := sha256.Sum256(text)
	return "sha256:" + hex.EncodeToString(h[:])
}

// acceptedPolicy is the policy in force, compiled once for each text; nil where
// none was ever accepted.
func (v *Vault) acceptedPolicy(r store.Reader) (*policy.Policy, error) {
	rec, err := load[acceptedFile](v, r, store.Vault, policyFile.key)
	if err != nil || rec == nil {
		return nil, err
	}
	if c := v.compiled.Load(); c != nil && c.digest == rec.Digest {
		return c.policy, nil
	}
	text, err := v.acceptedText(r, policyFile, rec)
	if err != nil {
		return nil, err
	}
	p, err := policy.Parse(text)
	if err != nil { // another version has accepted it: rather nothing than without it
		return nil, fmt.Errorf("reading the accepted policy: %w", err)
	}
	v.compiled.Store(&compiledPolicy{rec.Digest, p})
	return p, nil
}

// acceptedText is the text that rec is about.
func (v *Vault) acceptedText(r store.Reader, k fileKind, rec *acceptedFile) ([]byte, error) {
	text, err := loadOnce[acceptedText](v, r, store.Vault, k.textKey())
	if err != nil {
		return nil, err
	}
	if text == nil || digestOf(text.Text) != rec.Digest {
		return nil, &audit.TamperError{What: "record vault/" + k.textKey(), Problem: "it is not the text that was accepted"}
	}
	return text.Text, nil
}

// accept is the changes that put a text in force.
func (k fileKind) accept(text []byte, at time.Time, by string) []audit.Change {
	return []audit.Change{
		put(store.Vault, k.key, acceptedFile{digestOf(text), at, by}),
		put(store.Vault, k.textKey(), acceptedText{text}),
	}
}

// ErrHeld says that a text is kept until an owner accepts it.
var ErrHeld = errors.New("it waits for an owner: ass policy accept")

// OfferPolicy takes what is at path as policy.toml: the text, or why there is
// none. A valid text is put in force, or held until an owner accepts it (ErrHeld).
// Whatever the error, what was accepted last stays in force.
func (v *Vault) OfferPolicy(ctx context.Context, path string, text []byte, problem error) (changed bool, err error) {
	if problem == nil {
		_, problem = policy.Parse(text)
	}
	return v.offerFile(ctx, policyFile, offer{path: path, text: text}, problem)
}

// OfferConfig is OfferPolicy for assd.toml, whose text the daemon has checked.
func (v *Vault) OfferConfig(ctx context.Context, path string, text []byte, problem error) (changed bool, err error) {
	return v.offerFile(ctx, configFile, offer{path: path, text: text}, problem)
}

// AcceptedConfig is the text of assd.toml in force; nil where none ever was.
func (v *Vault) AcceptedConfig() (text []byte, err error) {
	err = v.db.View(func(s *store.Snapshot) error {
		rec, err := load[acceptedFile](v, s, store.Vault, configFile.key)
		if err != nil || rec == nil {
			return err
		}
		text, err = v.acceptedText(s, configFile, rec)
		return err
	})
	return text, asAPI(err)
}

func (v *Vault) offerFile(ctx context.Context, k fileKind, f offer, problem error) (changed bool, err error) {
	if problem != nil {
		f.text, f.problem = nil, problem.Error()
		v.offers.set(k.name, f)
		return false, problem
	}
	if err := v.Err(); err != nil { // nothing counts in a vault that is broken
		return false, err
	}
	err = v.db.Update(ctx, func(tx *store.Tx) error {
		changed, f.held = false, false
		rec, err := load[acceptedFile](v, tx, store.Vault, k.key)
		if err != nil || rec != nil && rec.Digest == digestOf(f.text) {
			return err
		}
		if f.held, err = v.holds(tx, k, f.text); err != nil || f.held {
			return err
		}
		changed = true
		ev := audit.Event{Actor: daemonActor, Action: k.action, Outcome: audit.OK, Reason: digestOf(f.text)}
		_, err = v.log.Append(tx, ev, k.accept(f.text, v.log.Now(), daemonActor.Name)...)
		return err
	})
	if err != nil {
		changed, f.problem = false, "it could not be taken: "+err.Error()
	}
	v.offers.set(k.name, f)
	if err == nil && f.held {
		err = ErrHeld
	}
	if changed {
		v.news.tell()
	}
	return changed, err
}

// holds reports whether a text waits for an owner: where there is an approval
// passphrase always, and else where two owners have to agree to it.
func (v *Vault) holds(tx *store.Tx, k fileKind, text []byte) (bool, error) {
	st, err := v.state(tx)
	if err != nil || st.ApprovalKey != "" {
		return err == nil, err
	}
	return v.needsTwo(tx, k, text)
}

// needsTwo reports whether a text asks for fewer approvals where a tier asks for
// two, and there are two to agree to it.
func (v *Vault) needsTwo(r store.Reader, k fileKind, text []byte) (bool, error) {
	if k != policyFile {
		return false, nil
	}
	now, err := v.acceptedPolicy(r)
	if err != nil || now.MostApprovals() < 2 {
		return false, err
	}
	next, err := policy.Parse(text)
	if err != nil || !next.AsksForLess(now) {
		return false, err
	}
	owners, err := v.owners(r)
	return len(owners) > 1, err
}

// AcceptFile puts a held text in force, for owners: just the one that was shown.
func (v *Vault) AcceptFile(ctx context.Context, req Request, want api.PolicyAccept) (out api.OperatorFile, err error) {
	k, err := fileNamed(want.Name)
	if err != nil {
		return out, err
	}
	if req, err = v.stepUp(ctx, req, want.Passphrase); err != nil {
		return out, err
	}
	f := v.offers.get(k.name)
	err = v.do(ctx, on("policy.accept"), req, func(a *act) error {
		if err := a.ownerOnly(k.action); err != nil {
			return err
		}
		if !f.held || digestOf(f.text) != want.Digest {
			return api.New(api.CodeConflict, "no change of "+k.name+" with that digest waits").WithHint("ass policy accept shows what does")
		}
		if two, err := v.needsTwo(a.tx, k, f.text); err != nil {
			return err
		} else if two {
			if err := a.twoOwners("policy.accept", want.Digest, ""); err != nil {
				return err
			}
		}
		changes, err := a.settleGrants()
		if err != nil {
			return err
		}
		ev := a.event(k.action)
		ev.Reason = want.Digest
		a.news = true
		return a.record(ev, append(changes, k.accept(f.text, v.log.Now(), a.caller.Name)...)...)
	})
	if err != nil {
		return out, err
	}
	v.offers.accepted(k.name, f.text)
	v.accepted(k)
	err = v.db.View(func(s *store.Snapshot) error { out, err = v.describeFile(s, k); return err })
	return out, asAPI(err)
}

// OnAccept has fn called after an owner has accepted a text, with the name of the
// file.
func (v *Vault) OnAccept(fn func(name string)) { v.onAccept.Store(&fn) }

func (v *Vault) accepted(k fileKind) {
	if fn := v.onAccept.Load(); fn != nil {
		(*fn)(k.name)
	}
}

func fileNamed(name string) (fileKind, error) {
	for _, k := range []fileKind{policyFile, configFile} {
		if k.name == name {
			return k, nil
		}
	}
	return fileKind{}, invalid("name", api.PolicyFile+" or "+api.ConfigFile)
}

// Files says how the operator's files stand, for owners.
func (v *Vault) Files(ctx context.Context, req Request) (out []api.OperatorFile, err error) {
	err = v.look(ctx, req, audit.PolicyRead, true, func(r store.Reader, _ *caller) error {
		out = nil
		for _, k := range []fileKind{policyFile, configFile} {
			f, err := v.describeFile(r, k)
			if err != nil {
				return err
			}
			out = append(out, f)
		}
		return nil
	})
	return out, err
}

func (v *Vault) describeFile(r store.Reader, k fileKind) (out api.OperatorFile, err error) {
	f := v.offers.get(k.name)
	out = api.OperatorFile{Name: k.name, Path: f.path, State: api.FileNone, Problem: f.problem}
	rec, err := load[acceptedFile](v, r, store.Vault, k.key)
	if err != nil {
		return out, err
	}
	if rec != nil {
		text, err := v.acceptedText(r, k, rec)
		if err != nil {
			return out, err
		}
		out.State, out.Text, out.Digest, out.AcceptedAt, out.AcceptedBy = api.FileInForce, string(text), rec.Digest, &rec.At, rec.By
	}
	switch {
	case f.problem != "":
		out.State = api.FileProblem
	case f.held && (rec == nil || rec.Digest != digestOf(f.text)):
		out.State, out.HeldText, out.HeldDigest = api.FileHeld, string(f.text), digestOf(f.text)
	}
	return out, nil
}

// ConfigInForce is the text of assd.toml that the daemon of the vault in cfg.Dir
// has to go by, and whether it has: where there is an approval passphrase, the one
// that was accepted last, or none. Without a vault there is nothing to go by.
func ConfigInForce(cfg Config) (text []byte, bound bool, err error) {
	cfg.fill()
	if exists, err := Exists(cfg); err != nil || !exists {
		return nil, false, err
	}
	v, err := openFile(cfg) // of a backup nothing is made yet
	if err != nil {
		return nil, false, err
	}
	text, bound, err = v.ConfigInForce()
	another, noteErr := v.toBeAnother()
	if another != nil {
		text = whatOpens(text) // as it is to have
	}
	return text, bound, errors.Join(err, noteErr, v.abandon())
}

// RecordedConfig is the text that ConfigInForce gives as far as the data file says so
// without being opened: whoever can write that can have forged it. So it can take rights
// away from a file, and give none.
func RecordedConfig(cfg Config) (text []byte, bound bool, err error) {
	cfg.fill()
	if exists, err := Exists(cfg); err != nil || !exists {
		return nil, false, err
	}
	db, err := store.Open(store.Config{Path: cfg.dbFile(), ReadOnly: true, MustExist: true})
	if err != nil {
		return nil, false, err
	}
	defer db.Close()
	err = db.View(func(s *store.Snapshot) error {
		var st state
		if err := unchecked(s, store.Vault, stateKey, &st); err != nil || st.ApprovalKey == "" {
			return err
		}
		bound = true
		if s.Get(store.Vault, []byte(configFile.textKey())) == nil {
			return nil
		}
		var rec acceptedText
		err := unchecked(s, store.Vault, configFile.textKey(), &rec)
		text = rec.Text
		return err
	})
	return text, bound, err
}

// ConfigInForce is that of an open vault.
func (v *Vault) ConfigInForce() (text []byte, bound bool, err error) {
	st, err := v.stateNow()
	if err != nil || st.ApprovalKey == "" {
		return nil, false, err
	}
	text, err = v.AcceptedConfig()
	return text, err == nil, err
}

// HasPolicy reports whether a policy was ever accepted.
func (v *Vault) HasPolicy() bool { return v.acceptedDigest(policyFile) != "" }

// Forget takes back what was offered as the file of that name: there is none.
func (v *Vault) Forget(name string) { v.offers.set(name, offer{path: v.offers.get(name).path}) }

// HasConfig reports whether a configuration was ever accepted.
func (v *Vault) HasConfig() bool { return v.acceptedDigest(configFile) != "" }

// IsAccepted reports whether a text is the one in force of the file of that name.
func (v *Vault) IsAccepted(name string, text []byte) bool {
	k, err := fileNamed(name)
	return err == nil && v.acceptedDigest(k) == digestOf(text)
}

func (v *Vault) acceptedDigest(k fileKind) (digest string) {
	err := v.db.View(func(s *store.Snapshot) error {
		rec, err := load[acceptedFile](v, s, store.Vault, k.key)
		if rec != nil {
			digest = rec.Digest
		}
		return err
	})
	if err != nil {
		return ""
	}
	return digest
}

// takeConfig accepts assd.toml as it is, or that there is none any more.
func (v *Vault) takeConfig(tx *store.Tx, text []byte) error {
	rec, err := load[acceptedFile](v, tx, store.Vault, configFile.key)
	if err != nil || rec == nil && text == nil || rec != nil && rec.Digest == digestOf(text) {
		return err
	}
	ev := audit.Event{Actor: daemonActor, Action: configFile.action, Outcome: audit.OK, Reason: digestOf(text)}
	_, err = v.log.Append(tx, ev, configFile.accept(text, v.log.Now(), daemonActor.Name)...)
	return err
}
