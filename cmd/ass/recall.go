package main

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/agent-secret-store/assd/audit/chain"
	"github.com/agent-secret-store/assd/vault/api"
	"github.com/agent-secret-store/assd/vault/client"
)

// codeTampered: what is told of the trail contradicts what was seen or signed before.
const codeTampered = api.Code("TAMPERED")

const tamperedHint = "if an older copy of the vault was put back on purpose: ass audit checkpoint --forget; else find out who did, before you trust what it says; " +
	offlineHint

// offlineHint is how the files themselves are checked, against what the daemon cannot change.
const offlineHint = "on the daemon's machine: assd verify --key K --checkpoint FILE"

func tampered(format string, args ...any) error {
	return &fault{code: codeTampered, message: fmt.Sprintf(format, args...), hint: tamperedHint}
}

// seen is what the daemon says of its trail, checked as far as it goes without the
// trail itself.
type seen struct {
	*api.Checkpoint
	note    chain.Checkpoint
	lineage chain.Lineage
	before  *chain.Checkpoint // the highest that was seen from here; nil: none
}

// see asks for the newest checkpoint, and checks that it is one.
func (a *app) see(cl *client.Client) (*seen, error) {
	c, err := cl.Checkpoint(a.ctx, 0)
	if err != nil {
		return nil, err
	}
	s := &seen{Checkpoint: c}
	if s.note, err = chain.ParseCheckpoint([]byte(c.Checkpoint)); err != nil {
		return nil, tampered("the daemon's checkpoint is none: %v", err)
	}
	if s.lineage, err = lineageOf(c, s.note); err != nil {
		return nil, tampered("the daemon's checkpoint does not verify: %v", err)
	}
	if err := s.note.Verify(c.Tenant, s.lineage); err != nil {
		return nil, tampered("the daemon's checkpoint does not verify: %v", err)
	}
	return s, nil
}

// lineageOf follows the keys from the first one on, as far as the daemon proves it.
func lineageOf(c *api.Checkpoint, note chain.Checkpoint) (chain.Lineage, error) {
	first, err := chain.ParseKey(c.FirstKey)
	if err != nil {
		return nil, err
	}
	if uint64(len(c.Rotations)) >= note.Epoch {
		return nil, errors.New("it names more keys than there were")
	}
	l := chain.Lineage{{Epoch: note.Epoch - uint64(len(c.Rotations)), Since: 1, Key: first}}
	for _, r := range c.Rotations {
		rot := chain.Rotation{Seq: r.Seq, Event: r.Event}
		err := rot.Prev.UnmarshalText([]byte(r.Prev))
		if err == nil {
			rot.Signatures, err = base64.StdEncoding.DecodeString(r.Signatures)
		}
		if err == nil {
			l, err = l.Extend(c.Tenant, rot)
		}
		if err != nil {
			return nil, err
		}
	}
	return l, nil
}

// recall holds what the daemon says of its trail against the highest checkpoint that
// was seen from here, and keeps the higher one. A shorter trail and another history are
// refused, and so are other signing keys than the one that is trusted, if there is one.
func (a *app) recall(cl *client.Client, trusted chain.Key) (*seen, error) {
	s, err := a.compareSeen(cl)
	if err != nil {
		return s, err
	}
	if trusted != nil && !s.lineage.Has(trusted) {
		return s, tampered("foreign signature: the trail is signed by another key than the one kept at login")
	}
	s.keep(a, cl)
	return s, nil
}

// keep remembers what was seen, if it is the highest of its vault. What the daemon says of
// an older event is not proved by that: who walks the trail does so first.
func (s *seen) keep(a *app, cl *client.Client) {
	m, err := newMemory()
	if err == nil {
		err = m.raise(s.note, cl.URL())
	}
	if err != nil {
		a.note("Note: " + foreign(err.Error(), maxMessage))
	}
}

// compareSeen is recall but for what it trusts and keeps.
func (a *app) compareSeen(cl *client.Client) (*seen, error) {
	m, err := newMemory()
	if err != nil {
		return nil, err
	}
	s, err := a.see(cl)
	if err != nil {
		return nil, m.missed(m.at(cl.URL()), err)
	}
	before, err := m.of(s.note.Tenant)
	if err != nil {
		return nil, err
	}
	if before != nil && before.Seq > s.note.Seq { // it may be what another ass has seen since
		if s, err = a.see(cl); err != nil {
			return nil, m.missed(before.Tenant, err)
		}
	}
	if s.before = before; before != nil {
		if err := a.extends(cl, s); err != nil {
			return s, err
		}
	}
	return s, nil
}

// missed is err, which a daemon has answered that was asked for its checkpoint; where it
// says that there is no such thing, and it had one when the tenant was seen last from
// here, that is a contradiction.
func (m memory) missed(tenant string, err error) error {
	if !errors.Is(err, &api.Error{Code: api.CodeNotFound}) || !chain.IsTenant(tenant) {
		return err
	}
	before, failed := m.of(tenant)
	switch {
	case failed != nil:
		return failed
	case before != nil:
		return tampered("the daemon shows no checkpoint any more, and showed one of %d events when it was seen last from here: it is another, or an older one", before.Seq)
	}
	return err
}

// extends fails when the trail is not one that goes on from what was seen.
func (a *app) extends(cl *client.Client, s *seen) error {
	at := s.note.Hash
	if s.before.Seq < s.note.Seq {
		c, err := cl.Checkpoint(a.ctx, s.before.Seq)
		if errors.Is(err, &api.Error{Code: api.CodeNotFound}) {
			return tampered("the trail has no event %d any more, which was seen from here", s.before.Seq)
		}
		if err != nil {
			return err
		}
		if err := at.UnmarshalText([]byte(c.HashAt)); err != nil {
			return tampered("the daemon does not say what event %d was", s.before.Seq)
		}
	}
	if bad := s.before.Compare(s.note.Seq, at); bad != nil {
		return tampered("the trail has %d events now and had %d when it was seen last from here: %s", s.note.Seq, s.before.Seq, bad.Problem)
	}
	if err := s.before.Verify(s.Tenant, s.lineage); err != nil { // it says what hash it likes
		return tampered("the trail is signed by other keys than when it was seen last from here: %v", err)
	}
	return nil
}

// forgetSeen forgets what was seen of the vault behind cl, also where that shows no
// checkpoint.
func (a *app) forgetSeen(cl *client.Client) error {
	m, err := newMemory()
	if err != nil {
		return err
	}
	s, err := a.see(cl)
	if err == nil {
		return m.forget(s.note.Tenant)
	}
	if !errors.Is(err, &api.Error{Code: api.CodeNotFound}) {
		return err
	}
	me, failed := cl.Me(a.ctx)
	if failed != nil {
		return failed
	}
	for _, tenant := range []string{me.Tenant, m.at(cl.URL())} {
		if chain.IsTenant(tenant) {
			if err := m.forget(tenant); err != nil {
				return err
			}
		}
	}
	return &fault{code: api.CodeNotFound, message: "what was seen of this vault is forgotten; its daemon is too old to show a checkpoint", hint: "have a newer assd, then: ass audit checkpoint"}
}

// recallIfOwner is recall for what is about something else: nil without an error where
// the daemon is too old to know of checkpoints and never showed one, or the caller is no
// owner. Whose key it is, the key says too.
func (a *app) recallIfOwner(cl *client.Client, me *api.Me, key string) (*seen, error) {
	if me.Kind != api.KindOwner && !strings.HasPrefix(key, api.OwnerKeyPrefix) {
		return nil, nil
	}
	s, err := a.recall(cl, nil)
	if errors.Is(err, &api.Error{Code: api.CodeNotFound}) {
		m, failed := newMemory()
		if failed != nil {
			return nil, failed
		}
		if err = m.missed(me.Tenant, err); errors.Is(err, &api.Error{Code: api.CodeNotFound}) {
			return nil, nil
		}
	}
	return s, err
}
