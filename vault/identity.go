package vault

import (
	"strings"
	"time"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/policy"
	"github.com/agent-secret-store/assd/store"
	"github.com/agent-secret-store/assd/vault/api"
)

// kind tells people from agents.
type kind string

const (
	kindOwner kind = api.KindOwner
	kindAgent kind = api.KindAgent
)

func (k kind) bucket() store.Bucket {
	if k == kindOwner {
		return store.Owners
	}
	return store.Agents
}

// identity is the record of an owner or an agent. The limits are an agent's;
// an owner has none.
type identity struct {
	ID          string    `json:"id"`
	Name        string    `json:"name"`
	Description string    `json:"description,omitempty"`
	Namespaces  []string  `json:"namespaces,omitempty"` // empty: all
	Scopes      []string  `json:"scopes,omitempty"`     // as they were given
	KeyPrefix   string    `json:"key_prefix"`
	Created     time.Time `json:"created"`
	Revoked     time.Time `json:"revoked,omitzero"`
	Recovered   time.Time `json:"recovered,omitzero"` // when an owner got a new key offline

	reach policy.Reach // parsed from the above
}

// ownsID reports whether an id is that of an owner.
func ownsID(id string) bool { return strings.HasPrefix(id, "own_") }

// credential is the record of a key, found by its hash.
type credential struct {
	Kind kind   `json:"kind"`
	ID   string `json:"id"`
}

// holder is the record of a name: the id it belongs to now.
type holder struct {
	ID string `json:"id"`
}

func nameKey(k kind, name string) string { return string(k) + "/" + strings.ToLower(name) }

// newIdentity is a fresh identity with its key, and the records of both.
func newIdentity(k kind, name string, now time.Time) (identity, string, []audit.Change) {
	idPrefix, keyPrefix := "agt", agentPrefix
	if k == kindOwner {
		idPrefix, keyPrefix = "own", ownerPrefix
	}
	key, shown := newKey(keyPrefix)
	hash, err := hashKey(key)
	if err != nil { // a key we have just made
		panic(err)
	}
	id := identity{ID: newID(idPrefix), Name: name, KeyPrefix: shown, Created: now}
	return id, key, []audit.Change{
		put(k.bucket(), id.ID, id),
		put(store.Names, nameKey(k, name), holder{id.ID}),
		put(store.Credentials, hash, credential{k, id.ID}),
	}
}

// defaultScope is what an agent may do that was made without scopes.
const defaultScope = "secrets:read:*"

// prepare parses the limits once, when the record is loaded.
func (id *identity) prepare() error {
	if strings.HasPrefix(id.KeyPrefix, ownerPrefix) {
		id.reach = policy.Reach{Owner: true}
		return nil
	}
	scopes, err := policy.ParseScopes(id.Scopes)
	if err != nil {
		return err
	}
	id.reach = policy.Reach{Scopes: scopes}
	if len(id.Namespaces) > 0 {
		id.reach.Namespaces, err = policy.ParseReachNamespaces(id.Namespaces)
	}
	return err
}
