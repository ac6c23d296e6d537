package vault

import (
	"strings"
	"time"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/policy"
	"github.com/agent-secret-store/assd/store"
	"github.com/agent-secret-store/assd/vault/api"
)

// grant is the record of one act that an owner has approved: this agent, this
// action, this path, while the secret there is the one that was approved and no
// more is asked for than was. It is looked up at every use.
type grant struct {
	Approval string `json:"approval"`           // the request that it answers
	Secret   string `json:"secret"`             // id; "" where there was none
	Rev      int    `json:"tier_rev,omitempty"` // of the tier
	policy.Need
	From    time.Time `json:"from,omitzero"` // zero: from the beginning
	Until   time.Time `json:"until"`
	Once    bool      `json:"once,omitempty"`    // removed by its use
	Uses    int       `json:"uses,omitempty"`    // how often all that the request opened may be used; 0: no limit
	Sources []string  `json:"sources,omitempty"` // where from; empty: anywhere
	Locked  int       `json:"lockdowns,omitempty"`

	key     string // of the record
	sources addressList
}

func (g *grant) prepare() (err error) {
	g.sources, err = parseAddressList(g.Sources)
	return err
}

// grantPrefix begins the keys of all grants for one act; the id of the request
// follows, so that a key never comes again.
func grantPrefix(agent string, act policy.Action, path string) string {
	return agent + "/" + string(act) + "/" + path + ":"
}

// answers reports whether g is for just what is wanted now, and not over; where it
// opens a value that is sealed to the approval key, it is over once the private half
// is not kept for it any more.
func (g *grant) answers(m moment, w want, from Origin) bool {
	return m.now.Before(g.Until) && g.Locked == m.lockdown.count() && g.Secret == w.Secret && g.Rev == w.Rev &&
		g.Satisfies(w.Need) && (len(g.Sources) == 0 || from.in(g.sources)) &&
		(!m.needsKey(w.Action, w.Tier) || m.keys.has(g.Approval, m.now))
}

// opens reports whether g answers what is wanted, and has begun.
func (g *grant) opens(m moment, w want, from Origin) bool {
	return g.answers(m, w, from) && !m.now.Before(g.From)
}

// findGrant is the first grant of the agent for the act that is as asked for, of
// those with uses left, or nil.
func (v *Vault) findGrant(r store.Reader, agent string, w want, good func(*grant) bool) (found *grant, err error) {
	prefix := grantPrefix(agent, w.Action, w.Path)
	err = r.Scan(store.Grants, []byte(prefix), func(k, _ []byte) (bool, error) {
		key := string(k)
		if !strings.HasPrefix(key, prefix) {
			return false, nil
		}
		g, err := load[grant](v, r, store.Grants, key)
		if err != nil || g == nil || !good(g) {
			return err == nil, err
		}
		counted, err := v.counted(r, g)
		if err != nil || counted != nil && counted.Used >= g.Uses {
			return err == nil, err
		}
		one := *g
		one.key, found = key, &one
		return false, nil
	})
	return found, err
}

// decide is what policy says to an act of c's on what h describes, with the
// grant that it rests on, if it does.
func (v *Vault) decide(r store.Reader, c *caller, act policy.Action, p policy.Path, h *header, from Origin) (policy.Decision, *grant, error) {
	rq := c.request(act, p, h.tier())
	d := policy.Decide(rq)
	if d.Effect != policy.Approve {
		return d, nil, nil
	}
	m, err := v.momentOf(r)
	if err != nil {
		return d, nil, err
	}
	w := wants(act, p, h, m.policy.Need(h.tier(), d.Rule))
	g, err := v.findGrant(r, c.ID, w, func(g *grant) bool { return g.opens(m, w, from) })
	if err != nil || g == nil {
		return d, nil, err
	}
	rq.Granted = true
	return policy.Decide(rq), g, nil
}

// counted is the request at which uses of g are counted, nil when they are not.
func (v *Vault) counted(r store.Reader, g *grant) (*approval, error) {
	if g.Uses == 0 {
		return nil, nil
	}
	request, err := load[approval](v, r, store.Approvals, g.Approval)
	if err == nil && request == nil { // it is kept longer than its grants
		err = &audit.TamperError{What: "record " + string(store.Approvals) + "/" + g.Approval, Problem: "it is missing"}
	}
	return request, err
}

// use is the changes that a use of g makes, none for one that may be used again
// and again.
func (a *act) use(g *grant) (changes []audit.Change, err error) {
	if g.Once {
		changes = append(changes, remove(store.Grants, g.key))
	}
	request, err := a.v.counted(a.tx, g)
	if err != nil || request == nil {
		return changes, err
	}
	if request.Used >= g.Uses { // by this very act, which rests on several grants
		return nil, api.New(api.CodeConflict, "what was approved is used up").WithHint("ask for more uses, or for fewer secrets at once")
	}
	next := *request
	next.Used++
	return append(changes, put(store.Approvals, next.ID, next)), nil
}

// grant is what r opens for one act: to read, as often as was asked for; to
// change something, once.
func (r *approval) grant(w want) grant {
	return grant{
		Approval: r.ID, Secret: w.Secret, Rev: w.Rev, Need: w.Need, From: r.From, Until: r.Until, Locked: r.Locked,
		Once: w.Action != policy.Read, Uses: r.Terms.MaxUses, Sources: r.Terms.Sources,
	}
}
