package vault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/policy"
	"github.com/agent-secret-store/assd/store"
	"github.com/agent-secret-store/assd/vault/api"
	"github.com/agent-secret-store/assd/vault/envelope"
)

// Reading is a secret that may be released: its read event is durable.
type Reading struct {
	api.SecretInfo
	Value envelope.Plaintext
}

// opened is a version decrypted before anyone decided: it must not leave.
type opened struct {
	id      string // of the secret
	n       uint64
	payload envelope.Payload
}

// errStale: the version decrypted is not the one that would be served now.
var errStale = errors.New("the secret changed while it was read")

// staleTries is how often a lost race is run again.
const staleTries = 8

// Get answers a GET of more than one piece: the secret at path.Path, version n
// of it (0: the newest), or the listing of path.Namespace. Which of them, follows
// what the caller may see.
func (v *Vault) Get(ctx context.Context, req Request, path policy.RequestPath, n uint64) (*Reading, *api.SecretList, error) {
	for range staleTries {
		o, err := v.open(req, path.Path, n)
		if err != nil {
			return nil, nil, asAPI(err)
		}
		reading, list, err := v.tryGet(ctx, req, path, n, o)
		if !errors.Is(err, errStale) {
			return reading, list, err
		}
	}
	return nil, nil, api.New(api.CodeConflict, errStale.Error()).WithHint("try again")
}

// open decrypts, on a snapshot, what a caller who may read p would be served;
// nil when it would not be served anything. The decision itself comes later.
func (v *Vault) open(req Request, p policy.Path, n uint64) (*opened, error) {
	if p.IsZero() {
		return nil, nil
	}
	var out *opened
	err := v.db.View(func(s *store.Snapshot) error {
		c, err := v.resolve(s, req.Credential, req.Origin)
		if _, failed := asUnauthorized(err); failed {
			return nil
		}
		if err != nil {
			return err
		}
		h, err := v.header(s, p)
		if err != nil || !h.exists() || policy.Decide(c.request(policy.Read, p, h.Tier)).Effect != policy.Allow {
			return err
		}
		ver := h.version(n)
		if ver == nil {
			return nil
		}
		payload, err := v.keyring.Open(v.place(h.ID, p, ver.N), s.Get(store.Values, valueKey(h.ID, ver.N)))
		if err != nil {
			return &audit.TamperError{What: fmt.Sprintf("value of %s version %d", p, ver.N), Problem: "it does not decrypt: it was changed, moved or removed by something other than assd"}
		}
		out = &opened{h.ID, ver.N, payload}
		return nil
	})
	return out, err
}

// tryGet decides on what open prepared.
func (v *Vault) tryGet(ctx context.Context, req Request, path policy.RequestPath, n uint64, o *opened) (reading *Reading, list *api.SecretList, err error) {
	err = v.do(ctx, req, func(a *act) error {
		h, err := a.readable(path.Path)
		if err != nil {
			return err
		}
		if h.exists() {
			reading, err = a.release(path.Path, h, n, o)
			return err
		}
		if !path.Namespace.IsZero() && a.caller.lists(path.Namespace, true) {
			list, err = a.list(path.Namespace)
			return err
		}
		ev := a.about(audit.SecretRead, path.Path)
		if path.Path.IsZero() {
			ev.Namespace, ev.Key = path.Namespace.String(), ""
			return a.settle(ev, policy.Decision{Reason: "to list this namespace is beyond the caller's namespaces and scopes"})
		}
		if err := a.permit(ev, policy.Read, path.Path, policy.Standard); err != nil {
			return err
		}
		return secretNotFound()
	})
	return reading, list, err
}

// readable is the header at p if the caller may see it, else nil.
func (a *act) readable(p policy.Path) (*header, error) {
	if p.IsZero() || !a.caller.sees(p) {
		return nil, nil
	}
	return a.v.header(a.tx, p)
}

// release decides on the version that was opened, and records the read.
func (a *act) release(p policy.Path, h *header, n uint64, o *opened) (*Reading, error) {
	ev := a.about(audit.SecretRead, p)
	if err := a.permit(ev, policy.Read, p, h.Tier); err != nil {
		return nil, err
	}
	ver := h.version(n)
	if ver == nil {
		return nil, api.New(api.CodeSecretNotFound, "there is no such version of this secret")
	}
	if o == nil || o.id != h.ID || o.n != ver.N {
		return nil, errStale
	}
	ev.Version = ver.N
	info := h.info(p)
	info.Version = ver.N
	if err := decodeMetadata(o.payload.Metadata, &info.Metadata); err != nil {
		return nil, err
	}
	return &Reading{info, o.payload.Value}, a.spend(ev, "secrets:read:"+p.String())
}

func decodeMetadata(b []byte, into *map[string]any) error {
	if len(b) == 0 {
		return nil
	}
	if err := json.Unmarshal(b, into); err != nil {
		return fmt.Errorf("decoding metadata: %w", err)
	}
	return nil
}
