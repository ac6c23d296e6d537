package vault

import (
	"encoding/binary"
	"time"

	"github.com/agent-secret-store/assd/policy"
	"github.com/agent-secret-store/assd/store"
	"github.com/agent-secret-store/assd/vault/api"
	"github.com/agent-secret-store/assd/vault/envelope"
)

// header is the record of a secret at its path. Deleted, it stays as the
// tombstone: whoever makes the path anew starts at its tier and goes on counting
// versions, under a new id.
type header struct {
	ID       string            `json:"id"` // random, never used again; bound into each value
	Type     policy.SecretType `json:"type"`
	Tier     policy.Tier       `json:"tier"`
	TierRev  int               `json:"tier_rev,omitempty"` // how often the tier has changed
	Current  uint64            `json:"current"`            // the newest version
	Created  time.Time         `json:"created"`
	Updated  time.Time         `json:"updated"`
	Deleted  time.Time         `json:"deleted,omitzero"`
	Pending  time.Time         `json:"rotation_pending,omitzero"` // since when it waits for a new value
	Warned   time.Time         `json:"expiry_warned,omitzero"`    // when the trail told that the newest version expires soon
	Ended    time.Time         `json:"expiry_ended,omitzero"`     // and that it has
	Versions []version         `json:"versions,omitempty"`        // the kept ones, oldest first

	hidden bool // it has expired, and is looked at by an agent
}

// version is one kept version of a secret.
type version struct {
	N      uint64    `json:"n"`
	Digest string    `json:"digest"` // of the sealed value
	At     time.Time `json:"at"`
	By     string    `json:"by"`             // id of who wrote it
	Meta   bool      `json:"meta,omitempty"` // metadata is sealed with it; not told of versions from before there was an approval key

	Until   time.Time `json:"until,omitzero"`   // when it stopped being the current one; zero: it is, or nothing was written since that was kept
	Expires time.Time `json:"expires,omitzero"` // zero: never
}

// tier is the tier in force at a path: "" where nothing has ever been.
func (h *header) tier() policy.Tier {
	if h == nil {
		return ""
	}
	return h.Tier
}

// tierRev tells a tier from the same tier before it was changed and changed back.
func (h *header) tierRev() int {
	if h == nil {
		return 0
	}
	return h.TierRev
}

// id is that of the secret, "" where there is none.
func (h *header) id() string {
	if !h.exists() {
		return ""
	}
	return h.ID
}

// exists reports whether there is a secret for whoever looks, and not only its
// tombstone.
func (h *header) exists() bool { return h.there() && !h.hidden }

// there is exists, whoever looks.
func (h *header) there() bool { return h != nil && h.Deleted.IsZero() }

// version is the kept version n, the newest when n is 0, or nil.
func (h *header) version(n uint64) *version {
	if n == 0 {
		n = h.Current
	}
	for i := range h.Versions {
		if h.Versions[i].N == n {
			return &h.Versions[i]
		}
	}
	return nil
}

// header is the record at p, or nil.
func (v *Vault) header(r store.Reader, p policy.Path) (*header, error) {
	return load[header](v, r, store.Secrets, p.String())
}

// info describes a secret without its value, as it is at that moment.
func (h *header) info(p policy.Path, now time.Time) api.SecretInfo {
	return api.SecretInfo{
		ID: h.ID, Namespace: p.Namespace().String(), Key: p.Key(), Version: h.Current,
		SecretType: string(h.Type), AccessTier: string(h.Tier), CreatedAt: h.Created, UpdatedAt: h.Updated,
		RotationPending: !h.Pending.IsZero(), ExpiresAt: orNull(h.expires()), Expired: h.expired(now),
	}
}

// orNull is a time as the API tells it: null for the zero time.
func orNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// valueKey is where a version's sealed value lies.
func valueKey(secretID string, n uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte(secretID+"/"), n)
}

// place is what a version's sealed value is bound to.
func (v *Vault) place(secretID string, p policy.Path, n uint64) envelope.Place {
	return envelope.Place{Tenant: v.tenant, SecretID: secretID, Path: p.String(), Version: n}
}

func secretNotFound() *api.Error {
	return api.New(api.CodeSecretNotFound, "there is no such secret").
		WithHint("ass secrets list NAMESPACE shows what is there")
}
