package vault

import (
	"context"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/policy"
	"github.com/agent-secret-store/assd/vault/api"
)

// History is the kept versions of the secret at p, newest first, without values. Who
// may read there and sees the secret in a listing may see it; no person is asked.
func (v *Vault) History(ctx context.Context, req Request, p policy.Path) (out api.SecretVersions, err error) {
	err = v.do(ctx, on("secret.history").at(p), req, func(a *act) error {
		ev := a.about(audit.SecretHistory, p)
		if d := policy.Decide(a.caller.request(policy.Read, p, policy.Standard)); d.Effect == policy.Deny {
			return a.settle(ev, d)
		}
		h, err := v.visible(a.tx, a.caller, p)
		if err != nil {
			return err
		}
		if !h.exists() {
			return secretNotFound()
		}
		if out, err = a.history(p, h); err != nil {
			return err
		}
		return a.spend(ev, "secrets:read:"+p.String())
	})
	return out, err
}

func (a *act) history(p policy.Path, h *header) (api.SecretVersions, error) {
	out := api.SecretVersions{Namespace: p.Namespace().String(), Key: p.Key(), Items: []api.SecretVersion{}}
	all := h.replaced()
	for i := len(all) - 1; i >= 0; i-- {
		if h.versionFor(a.caller, all[i].N, a.now) == nil {
			continue
		}
		one, err := a.describeVersion(h, all[i])
		if err != nil {
			return out, err
		}
		out.Items = append(out.Items, one)
	}
	return out, nil
}

func (a *act) describeVersion(h *header, ver version) (api.SecretVersion, error) {
	out := api.SecretVersion{
		Version: ver.N, CreatedAt: ver.At, CreatedBy: daemonActor.Name, CreatedByKind: daemonActor.Kind,
		Current: ver.N == h.Current, ExpiresAt: orNull(ver.Expires), Expired: ver.expired(a.now), ReplacedAt: orNull(ver.Until),
	}
	k := kindAgent
	switch {
	case ver.By == daemonActor.ID:
		return out, nil
	case ownsID(ver.By):
		k = kindOwner
	}
	who, err := load[identity](a.v, a.tx, k.bucket(), ver.By)
	out.CreatedBy, out.CreatedByKind = ver.By, string(k)
	if who != nil {
		out.CreatedBy = who.Name
	}
	return out, err
}
