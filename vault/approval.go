package vault

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/policy"
	"github.com/agent-secret-store/assd/vault/api"
)

// want is one act that an agent asks an owner to approve, or an owner another
// one: then path is what it is done to, an owner's name or a digest.
type want struct {
	Action policy.Action `json:"action"`
	Path   string        `json:"path"`
	Secret string        `json:"secret"`             // id; "" where there is none
	Rev    int           `json:"tier_rev,omitempty"` // of the tier
	policy.Need
}

// wants is the act on what h describes, where need is asked of whoever approves.
func wants(act policy.Action, p policy.Path, h *header, need policy.Need) want {
	return want{act, p.String(), h.id(), h.tierRev(), need}
}

// terms are what a token that was asked for would have been bound to; zero when
// a key or an older token acted.
type terms struct {
	TTL     time.Duration `json:"ttl,omitempty"`
	MaxUses int           `json:"max_uses,omitempty"`
	Sources []string      `json:"sources,omitempty"`
}

// approval is the record of a request.
type approval struct {
	ID       string        `json:"id"`
	Kind     kind          `json:"kind,omitempty"` // of who asks; "": an agent
	Agent    string        `json:"agent"`          // its id
	Name     string        `json:"name"`           // and its name when it asked
	Wants    []want        `json:"wants"`
	Terms    terms         `json:"terms"`
	Digest   string        `json:"digest"`
	Source   string        `json:"source"`
	Process  []api.Process `json:"process,omitempty"` // hints
	Because  string        `json:"because,omitempty"`
	Claim    string        `json:"claim,omitempty"` // the asker's own words
	Locked   int           `json:"lockdowns,omitempty"`
	Created  time.Time     `json:"created"`
	Expires  time.Time     `json:"expires"`
	Votes    []vote        `json:"votes,omitempty"` // of those who have approved so far
	Decided  time.Time     `json:"decided,omitzero"`
	Approved bool          `json:"approved,omitempty"`
	From     time.Time     `json:"from,omitzero"`     // when the grants begin; zero: at once
	Until    time.Time     `json:"until,omitzero"`    // when they end
	Used     int           `json:"used,omitempty"`    // uses so far of what it opened, where they are limited
	By       string        `json:"by,omitempty"`      // name of the owner who decided
	Reason   string        `json:"reason,omitempty"`  // that owner's
	Revoked  time.Time     `json:"revoked,omitzero"`  // by an owner, after it was approved
	Denials  int           `json:"denials,omitempty"` // of this digest in a row, this one among them
	Recalls  time.Time     `json:"recalls,omitzero"`  // those before it: until when they count
	Expired  bool          `json:"expired,omitempty"`
}

// vote is an owner's agreement.
type vote struct {
	ID   string    `json:"id"`
	Name string    `json:"name"`
	At   time.Time `json:"at"`
}

// status is how it stands at that moment.
func (r *approval) status(m moment) string {
	switch {
	case !r.Revoked.IsZero():
		return api.ApprovalRevoked
	case !r.Decided.IsZero() && r.Approved && r.lapsed(m):
		return api.ApprovalExpired
	case !r.Decided.IsZero() && r.Approved:
		return api.ApprovalApproved
	case !r.Decided.IsZero():
		return api.ApprovalDenied
	case r.Expired || r.Locked != m.lockdown.count() || !m.now.Before(r.Expires):
		return api.ApprovalExpired
	}
	return api.ApprovalPending
}

// lapsed reports whether all that was approved has ended by something else than its
// time: by a lockdown, or because it opens values alone and the private half is not
// kept for it any more. The latter goes at the end of its time too, and does not come
// back after that.
func (r *approval) lapsed(m moment) bool {
	return r.Locked != m.lockdown.count() ||
		!m.keys.has(r.ID, m.now) && !slices.ContainsFunc(r.Wants, func(w want) bool { return !m.needsKey(w.Action, w.Tier) })
}

// open reports whether r was approved and nobody and no time has ended that. What
// it opens may need the private half besides.
func (r *approval) open(m moment) bool {
	return r.Approved && r.Revoked.IsZero() && r.Locked == m.lockdown.count() && m.now.Before(r.Until)
}

// needsKey reports whether it opens a value that is sealed to the approval key.
func (r *approval) needsKey(m moment) bool {
	return slices.ContainsFunc(r.Wants, func(w want) bool { return m.needsKey(w.Action, w.Tier) })
}

// ended is when it stopped to wait.
func (r *approval) ended() time.Time {
	if !r.Decided.IsZero() {
		return r.Decided
	}
	return r.Expires
}

// values are the secrets whose values r opens with the private half.
func (r *approval) values(m moment) map[string]string {
	out := map[string]string{}
	for _, w := range r.Wants {
		if m.needsKey(w.Action, w.Tier) && w.Secret != "" {
			out[w.Path] = w.Secret
		}
	}
	return out
}

// prepare computes the digest anew: what an owner agrees to is what the record asks
// for, and not what it says that it does.
func (r *approval) prepare() error {
	if len(r.Wants) > 0 {
		r.Digest = r.digest()
	}
	return nil
}

// needed is how many different owners must agree.
func (r *approval) needed() int {
	n := 1
	for _, w := range r.Wants {
		n = max(n, w.Approvals)
	}
	return n
}

// delay is how long after the last of them what is opened begins.
func (r *approval) delay() (d time.Duration) {
	for _, w := range r.Wants {
		d = max(d, w.Delay)
	}
	return d
}

const digestLabel = "ass-request-v2\n"

// digest is of all that is asked for, each part with its length before it.
func (r *approval) digest() string {
	h := sha256.New()
	h.Write([]byte(digestLabel))
	part := func(s string) {
		h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(s))))
		h.Write([]byte(s))
	}
	part(r.Agent)
	for _, w := range r.Wants {
		for _, s := range []string{
			string(w.Action), w.Path, w.Secret, string(w.Tier), strconv.Itoa(w.Rev),
			w.Rule, strconv.Itoa(w.Approvals), w.Delay.String(),
		} {
			part(s)
		}
	}
	part(fmt.Sprintf("%d wants, ttl %d, uses %d", len(r.Wants), r.Terms.TTL, r.Terms.MaxUses))
	for _, s := range r.Terms.Sources {
		part(s)
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}

// seal puts the wants in order and computes the digest.
func (r *approval) seal() {
	slices.SortFunc(r.Wants, func(x, y want) int {
		return strings.Compare(x.Path+":"+string(x.Action), y.Path+":"+string(y.Action))
	})
	r.Wants = slices.Compact(r.Wants)
	r.Digest = r.digest()
}

// wishKey is where an open request is found by what it asks for.
func (r *approval) wishKey() string { return r.Agent + "/" + r.Digest }

// events are copies of ev, one for each act that r asks for; one if its record
// has been lost.
func (r *approval) events(ev audit.Event, reason string) (out []audit.Event) {
	ev.Approval, ev.Subject, ev.Reason = r.ID, &audit.Subject{ID: r.ID, Name: r.Name}, reason
	for i, w := range r.Wants {
		one := ev
		if p, err := policy.ParsePath(w.Path); err == nil && r.Kind != kindOwner {
			one.Namespace, one.Key = p.Namespace().String(), p.Key()
		}
		one.Reason = fmt.Sprintf("to %s, %d of %d in %s", w.Action, i+1, len(r.Wants), r.Digest)
		if reason != "" {
			one.Reason += ": " + reason
		}
		out = append(out, one)
	}
	if len(out) == 0 {
		out = append(out, ev)
	}
	return out
}

// scopes are the acts as scopes; those of owners begin with owners or policy.
func (r *approval) scopes() []string {
	out := make([]string, len(r.Wants))
	for i, w := range r.Wants {
		out[i] = fmt.Sprintf("secrets:%s:%s", w.Action, w.Path)
		if r.Kind == kindOwner {
			out[i] = string(w.Action) + ":" + w.Path
		}
	}
	return out
}

// tier is the strictest of the secrets asked for.
func (r *approval) tier() policy.Tier {
	top := policy.Standard
	for _, w := range r.Wants {
		if w.Tier.AtLeast(top) {
			top = w.Tier
		}
	}
	return top
}

// describe is r as the API tells it.
func (r *approval) describe(m moment) api.Approval {
	out := api.Approval{
		ID: r.ID, AgentID: r.Name, ActorID: r.Agent, Status: r.status(m), AccessTier: string(r.tier()),
		RequestedScopes: r.scopes(), Digest: r.Digest, Source: r.Source, CreatedAt: r.Created, ExpiresAt: r.Expires,
		MaxUses: r.Terms.MaxUses, IPAllowlist: append([]string{}, r.Terms.Sources...),
		RequesterKind: string(kindAgent), Because: r.Because, ApprovalsNeeded: r.needed(), ApprovedBy: []string{},
		Process: append([]api.Process{}, r.Process...),
	}
	if r.Kind == kindOwner {
		out.RequesterKind = string(kindOwner)
	}
	if ttl := api.TTL(r.Terms.TTL); ttl != 0 {
		out.TTL = &ttl
	}
	if r.Claim != "" {
		out.ClaimedReason = &r.Claim
	}
	for _, v := range r.Votes {
		out.ApprovedBy = append(out.ApprovedBy, v.Name)
	}
	if !r.Decided.IsZero() {
		r.describeDecision(&out)
	} else {
		ttl := api.TTL(r.grantTTL(m))
		out.OpensFor = &ttl
	}
	return out
}

// grantTTL is how long what r asks for is opened: as the strictest of it.
func (r *approval) grantTTL(m moment) time.Duration {
	ttl := policy.MaxTTL
	for _, w := range r.Wants {
		ttl = min(ttl, m.policy.Terms(w.Tier).GrantTTL)
	}
	return ttl
}

func (r *approval) describeDecision(out *api.Approval) {
	out.DecidedBy = &r.By
	if r.Reason != "" {
		out.Reason = &r.Reason
	}
	if !r.Approved {
		out.DeniedAt = &r.Decided
		return
	}
	out.ApprovedAt, out.ExpiresAt, out.OpensAt = &r.Decided, r.Until, &r.Decided
	if !r.From.IsZero() {
		out.OpensAt = &r.From
	}
	if !r.Revoked.IsZero() {
		out.RevokedAt = &r.Revoked
	}
}
