package vault

import (
	"github.com/agent-secret-store/assd/store"
	"github.com/agent-secret-store/assd/vault/api"
)

// protection tells an owner what guards the vault beside its keys.
func (v *Vault) protection(r store.Reader, c *caller, me *api.Me) error {
	m, err := v.momentOf(r)
	if err != nil {
		return err
	}
	lock, err := load[passphraseLock](v, r, store.Passphrases, c.ID)
	if err != nil {
		return err
	}
	owners, err := v.owners(r)
	if err != nil {
		return err
	}
	policyNow, err := v.describeFile(r, policyFile)
	if err != nil {
		return err
	}
	configNow, err := v.describeFile(r, configFile)
	if err != nil {
		return err
	}
	p := &api.Protection{
		PassphraseSet: m.keyed != "", OwnPassphrase: lock != nil, Owners: len(owners), PolicyRules: m.policy.RuleCount(),
		Policy: policyNow.State, PolicyProblem: policyNow.Problem, Config: configNow.State, ConfigProblem: configNow.Problem,
	}
	p.Recovered = []api.RecoveredOwner{}
	for _, o := range owners {
		if !o.Recovered.IsZero() && m.now.Sub(o.Recovered) < RecoveryShown {
			p.Recovered = append(p.Recovered, api.RecoveredOwner{Name: o.Name, At: o.Recovered})
		}
	}
	me.Protection = p
	return r.Scan(store.Wishes, nil, func(k, _ []byte) (bool, error) {
		w, err := loadOnce[wish](v, r, store.Wishes, string(k))
		if err != nil || w == nil {
			return err == nil, err
		}
		one, err := loadOnce[approval](v, r, store.Approvals, w.Approval)
		if err == nil && one != nil && one.status(m) == api.ApprovalPending {
			p.Pending++
		}
		return err == nil, err
	})
}
