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
	"github.com/agent-secret-store/assd/store"
	"github.com/agent-secret-store/assd/vault/api"
)

// Bounds of requests for approval.
const (
	maxAsked  = 64                 // acts in one
	maxOpen   = 32                 // open ones of one agent
	waitAgain = time.Minute        // when an agent with too many may try again
	idTries   = 8                  // for an id that nobody has
	keptEnded = 7 * 24 * time.Hour // how long a request that has ended is listed
)

// want is one act that an agent asks an owner to approve.
type want struct {
	Action policy.Action `json:"action"`
	Path   string        `json:"path"`
	Secret string        `json:"secret"` // id; "" where there is none
	Tier   policy.Tier   `json:"tier"`
	Rev    int           `json:"tier_rev,omitempty"` // of the tier
}

// wants is the act on what h describes.
func wants(act policy.Action, p policy.Path, h *header) want {
	return want{act, p.String(), h.id(), h.tier(), h.tierRev()}
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
	ID       string    `json:"id"`
	Agent    string    `json:"agent"` // id
	Name     string    `json:"name"`  // of the agent when it asked
	Wants    []want    `json:"wants"`
	Terms    terms     `json:"terms"`
	Digest   string    `json:"digest"`
	Source   string    `json:"source"`
	Created  time.Time `json:"created"`
	Expires  time.Time `json:"expires"`
	Decided  time.Time `json:"decided,omitzero"`
	Approved bool      `json:"approved,omitempty"`
	Until    time.Time `json:"until,omitzero"` // of the grants
	Used     int       `json:"used,omitempty"` // uses so far of what it opened, where they are limited
	By       string    `json:"by,omitempty"`   // name of the owner who decided
	Reason   string    `json:"reason,omitempty"`
	Expired  bool      `json:"expired,omitempty"`
}

// status is how it stands at that time.
func (r *approval) status(now time.Time) string {
	switch {
	case !r.Decided.IsZero() && r.Approved:
		return api.ApprovalApproved
	case !r.Decided.IsZero():
		return api.ApprovalDenied
	case r.Expired || !now.Before(r.Expires):
		return api.ApprovalExpired
	}
	return api.ApprovalPending
}

// ended is when it stopped to wait.
func (r *approval) ended() time.Time {
	if !r.Decided.IsZero() {
		return r.Decided
	}
	return r.Expires
}

const digestLabel = "ass-request-v1\n"

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
		for _, s := range []string{string(w.Action), w.Path, w.Secret, string(w.Tier), strconv.Itoa(w.Rev)} {
			part(s)
		}
	}
	part(fmt.Sprintf("%d wants, ttl %d, uses %d", len(r.Wants), r.Terms.TTL, r.Terms.MaxUses))
	for _, s := range r.Terms.Sources {
		part(s)
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}

// wishKey is where an open request is found by what it asks for.
func (r *approval) wishKey() string { return r.Agent + "/" + r.Digest }

// wish is the record there.
type wish struct {
	Approval string `json:"approval"`
}

// unapproved is an act that waits for an owner, with the event of its refusal.
type unapproved struct {
	ev     audit.Event
	want   want
	reason string
}

// ask refuses acts that need an owner's approval. It opens the request for them,
// or finds the one that is open.
func (a *act) ask(t terms, acts ...unapproved) error {
	r := &approval{Agent: a.caller.ID, Name: a.caller.Name, Terms: t, Source: a.req.Source.String()}
	for _, u := range acts {
		r.Wants = append(r.Wants, u.want)
	}
	slices.SortFunc(r.Wants, func(x, y want) int {
		return strings.Compare(x.Path+":"+string(x.Action), y.Path+":"+string(y.Action))
	})
	r.Wants = slices.Compact(r.Wants)
	r.Digest = r.digest()
	id, full, err := a.request(r)
	if err != nil {
		return err
	}
	refused := &refusal{err: approvalRequired(acts[0].reason, id)}
	if full {
		refused.err = tooManyRequests()
	}
	for _, u := range acts {
		u.ev.Action, u.ev.Outcome, u.ev.Reason, u.ev.Approval = u.ev.Action.Denied(), audit.Denied, u.reason, id
		refused.evs = append(refused.evs, u.ev)
	}
	return refused
}

func approvalRequired(reason, id string) *api.Error {
	err := api.New(api.CodeApprovalRequired, reason+": request "+id+" waits for one").
		WithHint("an owner approves it with: ass approvals approve " + id)
	err.ApprovalID = id
	err.Details = map[string]any{"approval_id": id}
	return err
}

// request is the id of the open request that asks for the same as r; if there is
// none, r becomes one, unless the agent has too many.
func (a *act) request(r *approval) (id string, full bool, err error) {
	open, err := a.openRequest(r.wishKey())
	if err != nil {
		return "", false, err
	}
	if open != nil {
		return open.ID, false, nil
	}
	n, err := a.countOpen(r.Agent)
	if err != nil || n >= maxOpen {
		return "", true, err
	}
	if r.ID, err = a.newApprovalID(); err != nil {
		return "", false, err
	}
	r.Created = a.v.log.Now()
	r.Expires = r.Created.Add(policy.RequestTTL)
	return r.ID, false, a.v.recordRequest(a.tx, a.event(audit.ApprovalRequest), r, "", put(store.Approvals, r.ID, r), put(store.Wishes, r.wishKey(), wish{r.ID}))
}

func tooManyRequests() *api.Error {
	return &api.Error{
		Code: api.CodeRateLimited, RetryAfter: int(waitAgain / time.Second),
		Message: fmt.Sprintf("%d requests of this agent wait for approval already", maxOpen),
		Hint:    "an owner decides them with: ass approvals list",
	}
}

// openRequest is the request found at a wish's key, if it is still open. One
// whose time is over is closed on the way.
func (a *act) openRequest(key string) (*approval, error) {
	w, err := load[wish](a.v, a.tx, store.Wishes, key)
	if err != nil || w == nil {
		return nil, err
	}
	r, err := load[approval](a.v, a.tx, store.Approvals, w.Approval)
	if err != nil || r == nil {
		return nil, err
	}
	if r.status(a.v.log.Now()) == api.ApprovalPending {
		return r, nil
	}
	return nil, a.v.expire(a.tx, key, r)
}

// countOpen counts the wishes of an agent.
func (a *act) countOpen(agent string) (n int, err error) {
	prefix := agent + "/"
	err = a.tx.Scan(store.Wishes, []byte(prefix), func(k, _ []byte) (bool, error) {
		if !strings.HasPrefix(string(k), prefix) {
			return false, nil
		}
		n++
		return n < maxOpen, nil
	})
	return n, err
}

// newApprovalID is an id of twelve characters: that many the tables of the
// published command line show.
func (a *act) newApprovalID() (string, error) {
	for range idTries {
		id := newID("apr")[:len("apr_")+8]
		r, err := load[approval](a.v, a.tx, store.Approvals, id)
		if err != nil || r == nil {
			return id, err
		}
	}
	return "", fmt.Errorf("no id for a request was free in %d tries", idTries)
}

// recordRequest writes what is done about r, as ev says: one event for each act
// that r asks for, so that each is found by its namespace, and the changes with
// the last of them.
func (v *Vault) recordRequest(tx *store.Tx, ev audit.Event, r *approval, reason string, changes ...audit.Change) error {
	events := r.events(ev, reason)
	for _, one := range events[:len(events)-1] {
		if _, err := v.log.Append(tx, one); err != nil {
			return err
		}
	}
	_, err := v.log.Append(tx, events[len(events)-1], changes...)
	return err
}

// events are copies of ev, one for each act that r asks for; one if its record
// has been lost.
func (r *approval) events(ev audit.Event, reason string) (out []audit.Event) {
	ev.Approval, ev.Subject, ev.Reason = r.ID, &audit.Subject{ID: r.ID, Name: r.Name}, reason
	for i, w := range r.Wants {
		one := ev
		if p, err := policy.ParsePath(w.Path); err == nil {
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

// scopes are the acts as scopes.
func (r *approval) scopes() []string {
	out := make([]string, len(r.Wants))
	for i, w := range r.Wants {
		out[i] = fmt.Sprintf("secrets:%s:%s", w.Action, w.Path)
	}
	return out
}

// tier is the strictest of the secrets asked for.
func (r *approval) tier() policy.Tier {
	var top policy.Tier
	for _, w := range r.Wants {
		if w.Tier.AtLeast(top) {
			top = w.Tier
		}
	}
	return top
}

// describe is r as the API tells it.
func (r *approval) describe(now time.Time) api.Approval {
	out := api.Approval{
		ID: r.ID, AgentID: r.Name, ActorID: r.Agent, Status: r.status(now), AccessTier: string(r.tier()),
		RequestedScopes: r.scopes(), Digest: r.Digest, Source: r.Source, CreatedAt: r.Created, ExpiresAt: r.Expires,
		MaxUses: r.Terms.MaxUses, IPAllowlist: append([]string{}, r.Terms.Sources...),
	}
	if ttl := api.TTL(r.Terms.TTL); ttl != 0 {
		out.TTL = &ttl
	}
	if r.Decided.IsZero() {
		return out
	}
	out.DecidedBy = &r.By
	if r.Reason != "" {
		out.Reason = &r.Reason
	}
	if !r.Approved {
		out.DeniedAt = &r.Decided
		return out
	}
	out.ApprovedAt, out.ExpiresAt = &r.Decided, r.Until
	return out
}
