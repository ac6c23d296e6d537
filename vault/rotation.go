package vault

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/policy"
	"github.com/agent-secret-store/assd/store"
	"github.com/agent-secret-store/assd/vault/api"
	"github.com/agent-secret-store/assd/vault/envelope"
)

// rotation is one new value being made by a rotator, begun in a transaction and
// stored by another one.
type rotation struct {
	*Rotator
	origin  Origin // its request id goes with all events of the rotation
	reason  string // of the event that stores the value
	secret  string // id of the secret that it is for, and no other at that path
	version uint64 // the current one when it began
	typ     policy.SecretType

	done chan struct{} // closed when the rest is set
	info api.SecretInfo
	err  error
}

// rotationAnswer is how long whoever asked for a rotation waits for its end.
const rotationAnswer = 30 * time.Second

// rotateByCommand has a command make the next value. The caller's right is decided
// and recorded, then the command runs, whoever still waits, then the daemon stores
// what it has printed.
func (v *Vault) rotateByCommand(ctx context.Context, req Request, r *Rotator) (out api.SecretRotation, err error) {
	run := &rotation{Rotator: r, origin: req.Origin, reason: "printed by its rotator", done: make(chan struct{})}
	if err := v.beginRotation(ctx, req, run); err != nil {
		return out, err
	}
	was := run.info
	if !v.launch(func() { v.finishRotation(run) }) {
		v.rotations.release(r.Path)
		return out, api.New(api.CodeConflict, "assd is stopping").WithHint("try again once it runs")
	}
	timer := time.NewTimer(cmp.Or(v.cfg.RotationAnswer, rotationAnswer))
	defer timer.Stop()
	select {
	case <-run.done:
		return api.SecretRotation{SecretInfo: run.info, Status: api.RotationStored}, run.err
	case <-timer.C:
	case <-ctx.Done(): // nobody reads the answer any more
	}
	return api.SecretRotation{SecretInfo: was, Status: api.RotationRunning}, nil
}

// beginRotation decides whether the caller may have run's secret rotated, and claims it.
func (v *Vault) beginRotation(ctx context.Context, req Request, run *rotation) error {
	claimed := false
	err := v.do(ctx, on("secret.rotate").at(run.Path), req, func(a *act) error {
		h, err := a.headerFor(a.about(audit.SecretRotate, run.Path), policy.Rotate, run.Path)
		if err != nil {
			return err
		}
		if err := a.ready(run, h); err != nil {
			return err
		}
		if err := a.roomFor(a.about(audit.SecretRotate, run.Path), h); err != nil {
			return err
		}
		if claimed = claimed || v.rotations.claim(run.Path); !claimed {
			return beingRotated(run.Path)
		}
		ev := a.about(audit.SecretRotationStart, run.Path)
		ev.Version = h.Current
		if err := a.spend(ev, "secrets:rotate:"+run.Path.String()); err != nil {
			return err
		}
		return a.handsOver(run)
	})
	if err != nil && claimed {
		v.rotations.release(run.Path)
	}
	return err
}

func beingRotated(p policy.Path) *api.Error {
	return api.New(api.CodeConflict, p.String()+" is being rotated").WithHint("wait for that to end: ass secrets history " + p.String())
}

// ready fills in what run is for, or says why it cannot begin. What could only be
// found when the value is to be stored would be found too late: outside, it counts.
func (a *act) ready(run *rotation, h *header) error {
	if !h.exists() {
		return secretNotFound()
	}
	if run.Current && a.needsKey(policy.Read, h.Tier) {
		return api.New(api.CodeConflict, "its rotator wants the current value, which is sealed to the approval key: it needs a person").
			WithHint("leave out current = true in " + api.ConfigFile)
	}
	kept, err := a.v.keepMetadata(a.tx, run.Path, h, draft{})
	if err != nil {
		return err
	}
	clear(kept.payload.Metadata)
	run.secret, run.version, run.typ = h.ID, h.Current, h.Type
	run.info = h.info(run.Path, a.now)
	return nil
}

// handsOver records that the command is given the current value, where it is.
func (a *act) handsOver(run *rotation) error {
	if !run.Current || run.Command == nil {
		return nil
	}
	ev := run.event(audit.SecretRead)
	ev.Version, ev.Reason = run.version, "for its rotator"
	return a.record(ev)
}

// event is an event of the daemon's in this rotation.
func (run *rotation) event(action audit.Action) audit.Event {
	return audit.Event{
		Actor: daemonActor, Action: action, Outcome: audit.OK,
		Namespace: run.Path.Namespace().String(), Key: run.Path.Key(),
		RequestID: run.origin.RequestID, ClientRef: run.origin.ClientRef,
	}
}

// finishRotation makes the value, stores it, and lets go of the secret.
func (v *Vault) finishRotation(run *rotation) {
	defer close(run.done)
	defer v.rotations.release(run.Path)
	info, why := v.makeAndStore(run)
	if why != "" {
		v.failRotation(run, why)
		return
	}
	v.rotations.settle(run.Path, "", v.cfg.Now())
	run.info = info
}

// failRotation records that there is no new version, and says so to whoever waits.
func (v *Vault) failRotation(run *rotation, why string) {
	v.rotations.settle(run.Path, why, v.cfg.Now())
	v.cfg.Log.Warn("a secret could not be rotated; its old version is current", "path", run.Path.String(), "reason", why, "request_id", run.origin.RequestID)
	run.err = api.New(api.CodeConflict, "rotating "+run.Path.String()+" has failed: "+why).
		WithHint("the old version is current; what its rotator wrote to standard error, if it ran, is in the daemon's log")
	ev := run.event(audit.SecretRotationFailed)
	ev.Version, ev.Outcome, ev.Reason = run.version, audit.Failed, oneLine(why, api.MaxReason)
	err := v.db.UpdateReserved(context.Background(), func(tx *store.Tx) error {
		_, err := v.log.Append(tx, ev)
		return err
	})
	if err != nil {
		v.cfg.Log.Error("that a rotation has failed could not be recorded", "path", run.Path.String(), "error", err)
	}
}

// oneLine is the beginning of s that fits into max bytes, in one line.
func oneLine(s string, max int) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) || r == utf8.RuneError {
			return '?'
		}
		return r
	}, s)
	for len(s) > max {
		_, n := utf8.DecodeLastRuneInString(s)
		s = s[:len(s)-n]
	}
	return s
}

// makeAndStore says why there is no new version, or describes it.
func (v *Vault) makeAndStore(run *rotation) (info api.SecretInfo, why string) {
	value, why := v.nextValue(run)
	if why != "" {
		return info, why
	}
	info, err := v.storeRotated(run, value)
	switch e := (*api.Error)(nil); {
	case err == nil:
		return info, ""
	case errors.As(err, &e):
		return info, "the new value was not stored: " + e.Message
	}
	v.cfg.Log.Error("a new value could not be stored", "path", run.Path.String(), "error", err)
	return info, "the new value could not be stored; the daemon's log says more"
}

// nextValue is what the rotator makes, for the caller to wipe.
func (v *Vault) nextValue(run *rotation) (value []byte, why string) {
	if run.Generate != nil {
		value, err := run.Generate.Make()
		if err != nil {
			return nil, err.Error()
		}
		return value, ""
	}
	current, err := v.currentFor(run)
	if err != nil {
		return nil, err.Error()
	}
	defer current.Wipe()
	input, err := run.input(current)
	if err != nil {
		return nil, err.Error()
	}
	defer clear(input)
	printed, err := run.Command(v.rotations.ctx, input)
	defer clear(printed.Out)
	v.logPrinted(run, printed, current)
	switch {
	case v.rotations.ctx.Err() != nil:
		return nil, "assd was stopped while the command ran"
	case err != nil:
		return nil, err.Error()
	}
	return newValue(printed.Out)
}

// newValue is a copy of what a command has printed, without the newline at its end.
func newValue(out []byte) (value []byte, why string) {
	out = bytes.TrimSuffix(out, []byte("\n"))
	switch {
	case len(out) == 0:
		return nil, "the command printed nothing"
	case len(out) > api.MaxValue:
		return nil, "the command printed more than 1 MiB"
	case !utf8.Valid(out):
		return nil, "the command printed what is not UTF-8"
	}
	return bytes.Clone(out), ""
}

// currentFor is the value that run hands to its command: its secret.read event is
// durable.
func (v *Vault) currentFor(run *rotation) (value envelope.Plaintext, err error) {
	if !run.Current {
		return value, nil
	}
	err = v.db.View(func(s *store.Snapshot) error {
		h, err := v.header(s, run.Path)
		if err != nil {
			return err
		}
		if h.id() != run.secret || h.version(run.version) == nil {
			return errors.New("the secret was deleted meanwhile")
		}
		pay, err := v.unseal(s, run.Path, h.ID, *h.version(run.version), "")
		clear(pay.Metadata)
		value = pay.Value
		return err
	})
	return value, err
}

// input is what a command finds on standard input.
func (run *rotation) input(current envelope.Plaintext) ([]byte, error) {
	in := struct {
		Path       string  `json:"path"`
		Namespace  string  `json:"namespace"`
		Key        string  `json:"key"`
		Version    uint64  `json:"version"` // the current one
		SecretType string  `json:"secret_type"`
		Current    *string `json:"current,omitempty"`
	}{run.Path.String(), run.Path.Namespace().String(), run.Path.Key(), run.version, string(run.typ), nil}
	if run.Rotator.Current {
		text := string(current.Reveal())
		in.Current = &text
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(in); err != nil {
		return nil, fmt.Errorf("encoding what the command reads: %w", err)
	}
	return b.Bytes(), nil
}

// storeRotated stores value as the next version of the very secret that run is for.
func (v *Vault) storeRotated(run *rotation, value []byte) (info api.SecretInfo, err error) {
	d := draft{payload: envelope.Payload{Value: envelope.NewPlaintext(value)}, rotates: true}
	defer d.payload.Wipe()
	err = untilFresh(func() error {
		s, err := v.sealRotated(run, d)
		if err != nil {
			return err
		}
		// A value that counts outside already must not be lost to a full disk.
		return v.db.UpdateReserved(context.Background(), func(tx *store.Tx) error {
			info, err = v.putRotated(tx, run, d, s)
			return err
		})
	})
	return info, err
}

// sealRotated seals d for the version that it gets if nobody else writes first.
func (v *Vault) sealRotated(run *rotation, d draft) (s sealedDraft, err error) {
	err = v.db.View(func(snap *store.Snapshot) error {
		h, err := v.header(snap, run.Path)
		if err != nil {
			return err
		}
		if h.id() != run.secret {
			return errDeletedMeanwhile
		}
		s = h.upcoming()
		if s.to, err = v.sealerFor(snap, h.Tier); err != nil {
			return err
		}
		d, err = v.keepMetadata(snap, run.Path, h, d)
		return err
	})
	if err != nil {
		return s, err
	}
	defer clear(d.payload.Metadata)
	return v.sealFor(run.Path, s, d.payload)
}

var errDeletedMeanwhile = api.New(api.CodeConflict, "the secret was deleted meanwhile")

// putRotated decides once more, where it is written.
func (v *Vault) putRotated(tx *store.Tx, run *rotation, d draft, s sealedDraft) (info api.SecretInfo, err error) {
	a := &act{v: v, tx: tx, caller: daemonCaller}
	if a.moment, err = v.momentOf(tx); err != nil {
		return info, err
	}
	if a.lockdown.locked() {
		return info, api.New(api.CodeLockedDown, "the vault was locked down meanwhile")
	}
	h, err := v.header(tx, run.Path)
	if err != nil {
		return info, err
	}
	if h.id() != run.secret {
		return info, errDeletedMeanwhile
	}
	to, err := v.sealerFor(tx, h.Tier)
	if err != nil {
		return info, err
	}
	if !s.fits(h, to.ID()) {
		return info, errStale
	}
	next := h.written(d, s, a.caller, v.log.Now())
	changes, err := a.store(run.Path, h, &next, s)
	if err != nil {
		return info, err
	}
	count, err := v.recount(tx, run.Path.Namespace(), next.counts().minus(h.counts()))
	if err != nil {
		return info, err
	}
	ev := run.event(audit.SecretRotate)
	ev.Version, ev.Reason = s.n, run.reason
	return next.info(run.Path, a.now), a.record(ev, append(changes, count...)...)
}

// daemonCaller is the daemon where it writes by itself. No credential leads to it.
var daemonCaller = &caller{identity: &identity{ID: daemonActor.ID, Name: daemonActor.Name}, kind: kind(daemonActor.Kind)}
