package vault

import (
	"context"
	"fmt"
	"net/netip"
	"strings"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/policy"
	"github.com/agent-secret-store/assd/store"
	"github.com/agent-secret-store/assd/vault/api"
)

// CheckPolicy explains to an owner what an agent is told that asks for a scope
// from there: an address, or "local" or "" for the Unix socket. Nothing is asked
// for by it.
func (v *Vault) CheckPolicy(ctx context.Context, req Request, agent, scope, from string) (out api.PolicyCheck, err error) {
	s, err := policy.ParseScope(scope)
	if err != nil {
		return out, invalid("scope", err.Error())
	}
	place, err := placeOf(from)
	if err != nil {
		return out, err
	}
	err = v.look(ctx, req, audit.PolicyCheck, true, func(r store.Reader, _ *caller) error {
		who, err := v.livingAgent(r, agent)
		if err != nil {
			return err
		}
		m, err := v.momentOf(r)
		if err != nil {
			return err
		}
		c := &caller{identity: who, kind: kindAgent, rules: m.policy.For(who.Name, place)}
		out = api.PolicyCheck{Agent: who.Name, Scope: scope, From: fromOf(place)}
		if err := v.explain(r, m, c, s, &out); err != nil {
			return err
		}
		return v.quoteRule(r, &out)
	})
	return out, err
}

func placeOf(from string) (policy.Place, error) {
	if from == "" || from == localSource {
		return policy.Place{Local: true}, nil
	}
	a, err := netip.ParseAddr(from)
	if err != nil {
		return policy.Place{}, invalid("from", `an address like 10.1.2.3, or "local" for the Unix socket`)
	}
	return policy.Place{Addr: a.Unmap().WithZone("")}, nil
}

func fromOf(p policy.Place) string {
	if p.Local {
		return localSource
	}
	return p.Addr.String()
}

func (v *Vault) livingAgent(r store.Reader, idOrName string) (*identity, error) {
	id, err := v.idOf(r, kindAgent, idOrName)
	if err != nil {
		return nil, err
	}
	who, err := load[identity](v, r, store.Agents, id)
	if err == nil && (who == nil || !who.Revoked.IsZero()) {
		err = api.New(api.CodeNotFound, "no such living agent").WithHint("ass agents list shows them")
	}
	return who, err
}

// explain decides as a request for a token would be decided, without grants.
func (v *Vault) explain(r store.Reader, m moment, c *caller, s policy.Scope, out *api.PolicyCheck) error {
	action, path, literal := s.Literal()
	if !literal {
		c.explainPattern(s, out)
		return nil
	}
	h, err := v.header(r, path)
	if err != nil {
		return err
	}
	h = h.forAgents(m.now)
	d := policy.Decide(c.request(action, path, h.tier()))
	out.Effect, out.Reason, out.Tier = d.Effect.String(), d.Reason, string(h.tier())
	if d.Rule != nil {
		out.Line = d.Rule.Line()
	}
	if d.Effect == policy.Approve {
		out.ApprovalsNeeded = m.policy.Need(h.tier(), d.Rule).Approvals
	}
	return nil
}

// explainPattern is explain for a scope that names more than one secret.
func (c *caller) explainPattern(s policy.Scope, out *api.PolicyCheck) {
	out.Effect, out.Reason = policy.Allow.String(), "a token with it is issued; it carries nothing that needs an approval, and each use is decided anew"
	why := c.beyond(s)
	if why == "" {
		return
	}
	out.Effect, out.Reason = policy.Deny.String(), why
	if action, pattern, ok := s.Pattern(); ok && c.reach.Covers(s) { // else no rule was asked
		out.Line = c.rules.Refuses(action, pattern).Line()
	}
}

// quoteRule adds the rule that decided, as it stands in the file.
func (v *Vault) quoteRule(r store.Reader, out *api.PolicyCheck) error {
	if out.Line == 0 {
		return nil
	}
	rec, err := load[acceptedFile](v, r, store.Vault, policyFile.key)
	if err != nil || rec == nil {
		return err
	}
	text, err := v.acceptedText(r, policyFile, rec)
	if err != nil {
		return err
	}
	lines := strings.Split(string(text), "\n")
	if out.Line > len(lines) {
		return fmt.Errorf("the policy has no line %d", out.Line)
	}
	var rule []string
	for i, l := range lines[out.Line-1:] {
		l = strings.TrimRight(l, "\r")
		if i > 0 && strings.HasPrefix(strings.TrimSpace(l), "[") {
			break
		}
		rule = append(rule, l)
	}
	out.RuleText = strings.TrimSpace(strings.Join(rule, "\n"))
	return nil
}
