package vault

import (
	"slices"

	"github.com/agent-secret-store/assd/store"
	"github.com/agent-secret-store/assd/vault/api"
)

// protection tells an owner what guards the vault beside its keys.
func (v *Vault) protection(r store.Reader, c *caller) (*api.Protection, error) {
	m, err := v.momentOf(r)
	if err != nil {
		return nil, err
	}
	lock, err := load[passphraseLock](v, r, store.Passphrases, c.ID)
	if err != nil {
		return nil, err
	}
	p := &api.Protection{PassphraseSet: m.keyed != "", OwnPassphrase: lock != nil, PolicyRules: m.policy.RuleCount()}
	v.tellProcess(p)
	if err := v.tellOwners(r, m, p); err != nil {
		return nil, err
	}
	if err := v.tellFiles(r, p); err != nil {
		return nil, err
	}
	if err := v.tellRestored(r, m, p); err != nil {
		return nil, err
	}
	p.RotationProblem, p.FailedRotations = v.rotations.trouble()
	if err := v.tellWebhooks(r, p); err != nil {
		return nil, err
	}
	v.tellCheckpoints(p)
	if err := v.tellSize(p); err != nil {
		return nil, err
	}
	v.tellBackups(p)
	p.HeadProblem = v.headProblem()
	p.Pending, err = v.countPending(r, m)
	return p, err
}

// tellWebhooks names the receivers that are not told of everything.
func (v *Vault) tellWebhooks(r store.Reader, p *api.Protection) error {
	all, err := v.describeWebhooks(r)
	p.Webhooks = slices.DeleteFunc(all, func(w api.Webhook) bool { return w.State == api.WebhookOK && w.Lost == 0 })
	return err
}

// tellOwners counts the owners, and names those who got a new key offline lately.
func (v *Vault) tellOwners(r store.Reader, m moment, p *api.Protection) error {
	owners, err := v.owners(r)
	p.Owners, p.Recovered = len(owners), []api.RecoveredOwner{}
	for _, o := range owners {
		if !o.Recovered.IsZero() && m.now.Sub(o.Recovered) < RecoveryShown {
			p.Recovered = append(p.Recovered, api.RecoveredOwner{Name: o.Name, At: o.Recovered})
		}
	}
	return err
}

func (v *Vault) tellFiles(r store.Reader, p *api.Protection) error {
	rules, err := v.describeFile(r, policyFile)
	if err != nil {
		return err
	}
	p.Policy, p.PolicyProblem = rules.State, rules.Problem
	config, err := v.describeFile(r, configFile)
	p.Config, p.ConfigProblem = config.State, config.Problem
	return err
}

// countPending counts the requests that wait.
func (v *Vault) countPending(r store.Reader, m moment) (n int, err error) {
	err = r.Scan(store.Wishes, nil, func(k, _ []byte) (bool, error) {
		w, err := loadOnce[wish](v, r, store.Wishes, string(k))
		if err != nil || w == nil {
			return err == nil, err
		}
		one, err := loadOnce[approval](v, r, store.Approvals, w.Approval)
		if err == nil && one != nil && one.status(m) == api.ApprovalPending {
			n++
		}
		return err == nil, err
	})
	return n, err
}
