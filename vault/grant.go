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
// action, this path, while the secret there is the one that was approved. It is
// looked up at every use.
type grant struct {
	Approval string      `json:"approval"` // the request that it answers
	Secret   string      `json:"secret"`   // id; "" where there was none
	Tier     policy.Tier `json:"tier"`
	Rev      int         `json:"tier_rev,omitempty"` // of the tier
	Until    time.Time   `json:"until"`
	Once     bool        `json:"once,omitempty"`    // removed by its use
	Uses     int         `json:"uses,omitempty"`    // how often all that the request opened may be used; 0: no limit
	Sources  []string    `json:"sources,omitempty"` // where from; empty: anywhere

	key     string // of the record
	sources addressList
}

func (g *grant) prepare() (err error) {
	g.sources, err = parseAddressList(g.Sources)
	return err
}

// grantPrefix begins the keys of all grants for one act; the id of the request
// follows, so that a key never comes again.
func grantPrefix(agent string, act policy.Action, p policy.Path) string {
	return agent + "/" + string(act) + "/" + p.String() + ":"
}

// opens reports whether g is good for what is there now, from there.
func (g *grant) opens(now time.Time, h *header, from Origin) bool {
	return now.Before(g.Until) && g.Secret == h.id() && g.Tier == h.tier() && g.Rev == h.tierRev() &&
		(len(g.Sources) == 0 || from.in(g.sources))
}

// granted is a grant of the caller's for this act on what h describes, or nil.
func (v *Vault) granted(r store.Reader, c *caller, act policy.Action, p policy.Path, h *header, from Origin) (found *grant, err error) {
	prefix := grantPrefix(c.ID, act, p)
	err = r.Scan(store.Grants, []byte(prefix), func(k, _ []byte) (bool, error) {
		key := string(k)
		if !strings.HasPrefix(key, prefix) {
			return false, nil
		}
		g, err := load[grant](v, r, store.Grants, key)
		if err != nil || g == nil || !g.opens(v.now(r), h, from) {
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
	g, err := v.granted(r, c, act, p, h, from)
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
