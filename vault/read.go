package vault

import (
	"bytes"
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

// opened is what was prepared on a snapshot, before anyone decided: it must not
// leave. Either a version decrypted, or a list.
type opened struct {
	id      string // of the secret
	n       uint64
	payload envelope.Payload
	list    *api.SecretList
}

func (o *opened) wipe() {
	if o != nil && o.id != "" {
		o.payload.Wipe()
	}
}

// Get answers a GET of more than one piece: the secret at path.Path, version n
// of it (0: the newest), or the listing of path.Namespace. Which of them, follows
// what the caller may see.
func (v *Vault) Get(ctx context.Context, req Request, path policy.RequestPath, n uint64) (reading *Reading, list *api.SecretList, err error) {
	err = untilFresh(func() error {
		o, err := v.open(req, path, n)
		if err != nil {
			return err
		}
		reading, list, err = v.tryGet(ctx, req, path, n, o)
		if reading == nil || err != nil {
			o.wipe()
		} else {
			clear(o.payload.Metadata) // the reading has it decoded
		}
		return err
	})
	if err != nil {
		return nil, nil, asAPI(err)
	}
	return reading, list, nil
}

// open prepares, on a snapshot, what a caller who may have it would be served:
// a version decrypted, or a list, or nil for nothing. The decision comes later.
func (v *Vault) open(req Request, path policy.RequestPath, n uint64) (out *opened, err error) {
	err = v.db.View(func(s *store.Snapshot) error {
		c, err := v.known(s, req)
		if err != nil || c == nil {
			return err
		}
		h, err := v.visible(s, c, path.Path)
		switch {
		case err != nil:
			return err
		case h.exists():
			out, err = v.decrypt(s, c, path.Path, h, n, req.Origin)
		case c.listsAll(path.Namespace):
			out = &opened{}
			out.list, err = v.listed(s, c, path.Namespace)
		}
		return err
	})
	return out, err
}

// visible is the header at p if the caller may see it, else nil.
func (v *Vault) visible(r store.Reader, c *caller, p policy.Path) (*header, error) {
	if p.IsZero() || !c.sees(p) {
		return nil, nil
	}
	h, err := v.header(r, p)
	return h.seenBy(c, v.now(r)), err
}

// listsAll reports whether the caller may list all of ns.
func (c *caller) listsAll(ns policy.Namespace) bool {
	return !ns.IsZero() && c.lists(ns, true)
}

// decrypt opens version n for a caller who may read it.
func (v *Vault) decrypt(r store.Reader, c *caller, p policy.Path, h *header, n uint64, from Origin) (*opened, error) {
	ver := h.versionFor(c, n, v.now(r))
	if ver == nil {
		return nil, nil
	}
	d, g, err := v.decide(r, c, policy.Read, p, h, from)
	if err != nil || d.Effect != policy.Allow {
		return nil, err
	}
	payload, err := v.unseal(r, p, h.ID, *ver, c.opener(g))
	if errors.Is(err, errNoKey) { // it has just ended
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &opened{id: h.ID, n: ver.N, payload: payload}, nil
}

// errNoKey says that a value is sealed to the approval key, and that what is to
// open it does not have that.
var errNoKey = errors.New("nothing that is open has the approval key")

// unseal opens a stored value, whoever asks. One that is sealed to the approval key
// needs the id of an approval or a token that has its private half.
//
// What is stored must be what the header says: anyone who can write the file could
// seal a value of their own with the public half, and it would open.
func (v *Vault) unseal(r store.Reader, p policy.Path, secretID string, ver version, opener string) (payload envelope.Payload, err error) {
	n := ver.N
	// A copy, as in load: AES-GCM reads what it authenticates twice.
	sealed := bytes.Clone(r.Get(store.Values, valueKey(secretID, n)))
	if digest, err := envelope.Digest(sealed); err != nil || digest != ver.Digest {
		return payload, foreignValue(p, n)
	}
	by, _ := envelope.SealedBy(sealed) // what is malformed does not open either
	st, err := v.state(r)
	switch {
	case err != nil:
		return payload, err
	case by != "" && by == st.ApprovalKey:
		key := v.keys.get(opener, v.now(r), p, secretID)
		if key == nil {
			return payload, errNoKey
		}
		at := v.place(secretID, p, n)
		at.Tenant = st.keyTenant()
		payload, err = key.Open(at, sealed)
	default:
		payload, err = v.ring(by).Open(v.place(secretID, p, n), sealed)
	}
	if err != nil {
		return payload, foreignValue(p, n)
	}
	return payload, nil
}

func foreignValue(p policy.Path, n uint64) error {
	return &audit.TamperError{
		What:    fmt.Sprintf("value of %s version %d", p, n),
		Problem: "it does not decrypt: it was changed, moved or removed by something other than assd",
	}
}

// tryGet decides on what open prepared.
func (v *Vault) tryGet(ctx context.Context, req Request, path policy.RequestPath, n uint64, o *opened) (reading *Reading, list *api.SecretList, err error) {
	err = v.do(ctx, on("secret.get").at(path.Path), req, func(a *act) error {
		h, err := v.visible(a.tx, a.caller, path.Path)
		switch {
		case err != nil:
			return err
		case h.exists():
			reading, err = a.release(path.Path, h, n, o)
			return err
		case !a.caller.listsAll(path.Namespace) || a.caller.barred(path.Path):
			return a.refuseGet(path)
		case o == nil || o.list == nil:
			return errStale
		case len(o.list.Items) == 0 && a.caller.sees(path.Path):
			return secretNotFound() // rather than the list of a namespace that is not there
		}
		list = o.list
		return a.releaseList(path.Namespace, list)
	})
	return reading, list, err
}

// barred reports whether a rule of the policy denies to read p: then it is no
// listing that was meant.
func (c *caller) barred(p policy.Path) bool {
	d := policy.Decide(c.request(policy.Read, p, policy.Standard))
	return d.Effect == policy.Deny && d.Rule != nil
}

// refuseGet ends a GET of what is neither a secret nor a listing for the caller.
func (a *act) refuseGet(path policy.RequestPath) error {
	if path.Path.IsZero() {
		return a.refuseList(path.Namespace)
	}
	d := policy.Decide(a.caller.request(policy.Read, path.Path, ""))
	if d.Effect == policy.Deny {
		return a.settle(a.about(audit.SecretRead, path.Path), d)
	}
	return secretNotFound() // nobody is asked about what is not there
}

// release decides on the version that was opened, and records the read.
func (a *act) release(p policy.Path, h *header, n uint64, o *opened) (*Reading, error) {
	ev := a.about(audit.SecretRead, p)
	if err := a.permit(ev, policy.Read, p, h); err != nil {
		return nil, err
	}
	ver := h.versionFor(a.caller, n, a.now)
	if ver == nil {
		return nil, versionNotFound()
	}
	if o == nil || o.id != h.ID || o.n != ver.N {
		return nil, errStale
	}
	ev.Version = ver.N
	info := h.info(p, a.now)
	info.Version, info.UpdatedAt, info.ExpiresAt, info.Expired = ver.N, ver.At, orNull(ver.Expires), ver.expired(a.now)
	if err := decodeMetadata(o.payload.Metadata, &info.Metadata); err != nil {
		return nil, err
	}
	return &Reading{info, o.payload.Value}, a.spend(ev, "secrets:read:"+p.String())
}

func versionNotFound() *api.Error {
	return api.New(api.CodeSecretNotFound, "there is no such version of this secret").
		WithHint("ass secrets history NAMESPACE/KEY shows those that are kept")
}

func decodeMetadata(b []byte, into *map[string]any) error {
	if len(b) == 0 {
		return nil
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber() // numbers as they were stored
	if err := dec.Decode(into); err != nil {
		return fmt.Errorf("decoding metadata: %w", err)
	}
	return nil
}
