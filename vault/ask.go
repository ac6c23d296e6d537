package vault

import (
	"cmp"
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/policy"
	"github.com/agent-secret-store/assd/store"
	"github.com/agent-secret-store/assd/vault/api"
)

// Bounds of requests for approval.
const (
	maxAsked  = 64                 // acts in one
	maxOpen   = 32                 // open ones of one asker
	waitAgain = time.Minute        // when an asker with too many may try again
	idTries   = 8                  // for an id that nobody has
	keptEnded = 7 * 24 * time.Hour // how long a request that has ended is listed
)

// unapproved is an act that waits for an owner, with the event of its refusal.
type unapproved struct {
	ev     audit.Event
	want   want
	reason string
}

// ask refuses acts that need an owner's approval. It opens the request for them,
// or finds the one that is open or that was approved and has not begun.
func (a *act) ask(t terms, acts ...unapproved) error {
	delayed, err := a.delayed(acts)
	if err != nil {
		return err
	}
	if delayed != nil {
		return refused(acts, delayed.ID, "what an owner has approved has not begun", delayed.notYet())
	}
	r := &approval{
		Kind: a.caller.kind, Agent: a.caller.ID, Name: a.caller.Name, Terms: t, Source: a.req.Source.Place(),
		Because: gravest(acts).reason, Claim: a.claim,
	}
	for _, u := range acts {
		r.Wants = append(r.Wants, u.want)
	}
	r.seal()
	id, refusal, err := a.request(r)
	switch {
	case err != nil:
		return err
	case refusal == nil:
		return refused(acts, id, "", approvalRequired(gravest(acts).reason+named(acts), id))
	case refusal.Code == api.CodeScopeDenied:
		return refused(acts, id, "an owner has denied just this", refusal)
	}
	return refused(acts, id, "", refusal)
}

// gravest is the act of the highest tier, the first of those.
func gravest(acts []unapproved) unapproved {
	g := acts[0]
	for _, u := range acts {
		if !g.want.Tier.AtLeast(u.want.Tier) {
			g = u
		}
	}
	return g
}

// named names the secrets of several acts, not too many, so that who asks can do without.
func named(acts []unapproved) string {
	if len(acts) < 2 {
		return ""
	}
	var paths []string
	for _, u := range acts {
		paths = append(paths, u.want.Path)
	}
	return " (" + someOf(paths) + ")"
}

// refused is the refusal of acts, with an event for each, which says why; "": what
// the act lacks.
func refused(acts []unapproved, id, why string, err *api.Error) error {
	out := &refusal{err: err}
	for _, u := range acts {
		u.ev.Action, u.ev.Outcome, u.ev.Reason, u.ev.Approval = u.ev.Action.Denied(), audit.Denied, cmp.Or(why, u.reason), id
		out.evs = append(out.evs, u.ev)
	}
	return out
}

func approvalRequired(reason, id string) *api.Error {
	return waitsFor(id, reason+": request "+id+" waits for one", "an owner approves it with: ass approvals approve "+id)
}

func waitsFor(id, message, hint string) *api.Error {
	err := api.New(api.CodeApprovalRequired, message).WithHint(hint)
	err.ApprovalID = id
	err.Details = map[string]any{"approval_id": id}
	return err
}

// notYet is what is said of an approval whose delay is not over.
func (r *approval) notYet() *api.Error {
	at := r.From.UTC().Format("2006-01-02 15:04:05 MST")
	err := waitsFor(r.ID, "request "+r.ID+" is approved and opens at "+at, "try again then; an owner ends it with: ass approvals revoke "+r.ID)
	err.Details[api.OpensAt] = r.From.UTC()
	return err
}

// delayed is an approval of one of the acts that has not begun, or nil.
func (a *act) delayed(acts []unapproved) (*approval, error) {
	for _, u := range acts {
		g, err := a.v.findGrant(a.tx, a.caller.ID, u.want, func(g *grant) bool {
			return a.now.Before(g.From) && g.answers(a.moment, u.want, a.req.Origin)
		})
		if err != nil {
			return nil, err
		}
		if g != nil {
			return load[approval](a.v, a.tx, store.Approvals, g.Approval)
		}
	}
	return nil, nil
}

// request is the id of the open request that asks for the same as r; if there is
// none, r becomes one, unless the asker has too many or was just denied this.
func (a *act) request(r *approval) (id string, refusal *api.Error, err error) {
	last, err := a.lastRequest(r.wishKey())
	if err != nil {
		return "", nil, err
	}
	if last != nil && last.status(a.moment) == api.ApprovalPending {
		return last.ID, nil, nil
	}
	if last != nil {
		if refused := last.tooSoon(a.moment); refused != nil {
			return last.ID, refused, nil
		}
		r.follow(last, a.moment)
	}
	n, err := a.countOpen(r.Agent)
	if err != nil || n >= maxOpen {
		return "", tooManyRequests(), err
	}
	return r.ID, nil, a.openRequest(r)
}

// openRequest makes r a request that waits.
func (a *act) openRequest(r *approval) (err error) {
	if r.ID, err = a.newApprovalID(); err != nil {
		return err
	}
	if a.req.Hints != nil {
		r.Process = a.req.Hints.Processes()
	}
	ttl := policy.MaxTTL
	for _, w := range r.Wants {
		ttl = min(ttl, a.policy.Terms(w.Tier).RequestTTL)
	}
	r.Created, r.Locked = a.v.log.Now(), a.lockdown.count()
	r.Expires = r.Created.Add(ttl)
	a.news = true
	said := ""
	if r.Claim != "" {
		said = claimMark + r.Claim
	}
	return a.v.recordRequest(a.tx, a.event(audit.ApprovalRequest), r, said,
		put(store.Approvals, r.ID, r), put(store.Wishes, r.wishKey(), wish{r.ID}))
}

func tooManyRequests() *api.Error {
	return &api.Error{
		Code: api.CodeRateLimited, RetryAfter: int(waitAgain / time.Second),
		Message: fmt.Sprintf("%d requests of this agent wait for approval already", maxOpen),
		Hint:    "an owner decides them with: ass approvals list",
	}
}

// wish is the record at a digest: the request that asks for it, or the last one
// that did, as long as denials of it are known by that.
type wish struct {
	Approval string `json:"approval"`
}

// lastRequest is the request found at a wish's key, whether it is open or not. One
// whose time is over is closed on the way.
func (a *act) lastRequest(key string) (*approval, error) {
	w, err := load[wish](a.v, a.tx, store.Wishes, key)
	if err != nil || w == nil {
		return nil, err
	}
	r, err := load[approval](a.v, a.tx, store.Approvals, w.Approval)
	if err != nil || r == nil {
		return nil, err
	}
	if r.unclosed(a.moment) {
		a.news = true
		err = a.v.expire(a.tx, a.moment, key, r)
	}
	return r, err
}

// countOpen counts the requests of an asker that wait.
func (a *act) countOpen(agent string) (n int, err error) {
	prefix := agent + "/"
	err = a.tx.Scan(store.Wishes, []byte(prefix), func(k, _ []byte) (bool, error) {
		if !strings.HasPrefix(string(k), prefix) {
			return false, nil
		}
		w, err := load[wish](a.v, a.tx, store.Wishes, string(k))
		if err != nil || w == nil {
			return err == nil, err
		}
		r, err := load[approval](a.v, a.tx, store.Approvals, w.Approval)
		if err == nil && (r == nil || r.status(a.moment) == api.ApprovalPending) {
			n++
		}
		return err == nil && n < maxOpen, err
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

// twoOwners lets an act of owners pass that needs a second one, where the policy
// has a tier that asks for two: once another owner has approved it. Else it opens
// the request for that. Nobody approves their own, so the second is another. id is
// that of the subject, where there is one already: a name may come again.
func (a *act) twoOwners(act, subject, id string) error {
	if a.policy.MostApprovals() < 2 {
		return nil
	}
	owners, err := a.v.owners(a.tx)
	if err != nil || len(owners) < 2 {
		return err
	}
	w := want{Action: policy.Action(act), Path: subject, Secret: id, Need: policy.Need{Tier: policy.Critical, Approvals: 1}}
	g, err := a.v.findGrant(a.tx, a.caller.ID, w, func(g *grant) bool { return g.opens(a.moment, w, a.req.Origin) })
	if err != nil {
		return err
	}
	if g != nil {
		a.grants = append(a.grants, g)
		return nil
	}
	return a.ask(terms{}, unapproved{a.event(on(act).refused()), w, twoOwnersReason(act)})
}

// twoOwnersReason is why, with what the second owner has to look at.
func twoOwnersReason(act string) string {
	const reason = "where a tier asks for two owners, this does too"
	if act == "policy.accept" {
		return reason + "; what is to be put in force is shown by: ass policy accept"
	}
	return reason
}

// settleGrants is the changes by which the act uses up what it rests on.
func (a *act) settleGrants() (changes []audit.Change, err error) {
	for _, g := range a.grants {
		used, err := a.use(g)
		if err != nil {
			return nil, err
		}
		changes = append(changes, used...)
	}
	a.grants = nil
	return changes, nil
}

// plainWords is what an asker says, as it is kept: one line, no control or
// invisible characters, cut.
func plainWords(s string) string {
	s = strings.ToValidUTF8(s[:min(len(s), 16*api.MaxClaim)], "")
	words := strings.Join(strings.FieldsFunc(s, unprintable), " ")
	if r := []rune(words); len(r) > api.MaxClaim {
		words = string(r[:api.MaxClaim]) + "…"
	}
	return words
}

// unprintable reports whether r parts words: blanks, and whatever a terminal would
// act on or not show.
func unprintable(r rune) bool { return r == ' ' || !unicode.IsPrint(r) }
