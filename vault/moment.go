package vault

import (
	"time"

	"github.com/agent-secret-store/assd/policy"
	"github.com/agent-secret-store/assd/store"
)

// moment is how things stand in one transaction: all that decides beside the
// caller and the secret.
type moment struct {
	now      time.Time
	policy   *policy.Policy // nil: nobody has ever accepted one
	lockdown *lockdown      // nil: there never was one
	keyed    string         // id of the approval key; "": there is no passphrase
	keys     *openKeys      // what keeps its private half

	tokenKey      string // id of the key that signs tokens
	otherTokenKey bool   // it is not the first one
}

func (v *Vault) momentOf(r store.Reader) (m moment, err error) {
	m.now, m.keys = v.now(r), &v.keys
	if m.policy, err = v.acceptedPolicy(r); err != nil {
		return m, err
	}
	if m.lockdown, err = v.lockdown(r); err != nil {
		return m, err
	}
	st, err := v.state(r)
	if err != nil {
		return m, err
	}
	m.keyed, m.tokenKey, m.otherTokenKey = st.ApprovalKey, st.TokenKey, st.OtherTokenKey
	return m, nil
}

// needsKey reports whether the act opens a value that is sealed to the approval
// key.
func (m moment) needsKey(action policy.Action, tier policy.Tier) bool {
	return m.keyed != "" && action == policy.Read && protected(tier)
}

// protected reports whether values of a tier are sealed to the approval key,
// where there is one: what an agent needs an approval to read.
func protected(t policy.Tier) bool { return t.NeedsApproval(policy.Read) }
