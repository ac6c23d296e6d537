package vault

import (
	"context"
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/policy"
	"github.com/agent-secret-store/assd/store"
	"github.com/agent-secret-store/assd/vault/api"
)

// CreateAgent makes an agent and its key, for owners. Names are unique among
// the living, whatever their case.
func (v *Vault) CreateAgent(ctx context.Context, req Request, want api.AgentCreate) (api.AgentCreated, error) {
	if err := checkAgent(want); err != nil {
		return api.AgentCreated{}, asAPI(err)
	}
	var out api.AgentCreated
	req, err := v.stepUp(ctx, req, want.Passphrase)
	if err != nil {
		return out, err
	}
	err = v.do(ctx, on("agent.create"), req, func(a *act) error {
		if err := a.ownerOnly(audit.AgentCreate); err != nil {
			return err
		}
		if err := v.nameFree(a.tx, want.Name); err != nil {
			return err
		}
		id, key, changes := newIdentity(kindAgent, want.Name, v.log.Now())
		id.Description, id.Namespaces, id.Scopes = want.Description, want.AllowedNamespaces, want.AllowedScopes
		if len(id.Scopes) == 0 {
			id.Scopes = []string{defaultScope}
		}
		changes[0] = put(store.Agents, id.ID, id)
		ev := a.event(audit.AgentCreate)
		ev.Subject = &audit.Subject{ID: id.ID, Name: id.Name}
		out = api.AgentCreated{Agent: v.describe(&id), APIKey: key}
		return a.record(ev, changes...)
	})
	if err != nil {
		return api.AgentCreated{}, err
	}
	return out, nil
}

// reservedNames are what the trail calls those who are nobody's agent.
var reservedNames = []string{daemonActor.Name, daemonActor.Kind, unknownKind, manySources}

// nameFree refuses a name that an owner, a living agent or the daemon has.
func (v *Vault) nameFree(r store.Reader, name string) error {
	taken := slices.ContainsFunc(reservedNames, func(r string) bool { return strings.EqualFold(name, r) })
	for _, k := range []kind{kindOwner, kindAgent} {
		h, err := load[holder](v, r, store.Names, nameKey(k, name))
		if err != nil {
			return err
		}
		taken = taken || h != nil
	}
	if taken {
		return api.New(api.CodeConflict, fmt.Sprintf("the name %q is taken", name)).
			WithHint("choose another name; ass agents revoke NAME frees that of an agent")
	}
	return nil
}

func checkAgent(want api.AgentCreate) error {
	if err := policy.CheckName(want.Name); err != nil {
		return invalid("name", err.Error())
	}
	if len(want.Description) > api.MaxDescription {
		return invalid("description", fmt.Sprintf("longer than %d bytes", api.MaxDescription))
	}
	if _, err := policy.ParseReachNamespaces(want.AllowedNamespaces); err != nil {
		return invalid("allowed_namespaces", err.Error())
	}
	if _, err := policy.ParseScopes(want.AllowedScopes); err != nil {
		return invalid("allowed_scopes", err.Error())
	}
	return nil
}

// RevokeAgent ends an agent, found by id or name, and with it all its tokens.
func (v *Vault) RevokeAgent(ctx context.Context, req Request, idOrName string) error {
	return v.doReserved(ctx, on("agent.revoke"), req, func(a *act) error {
		if err := a.ownerOnly(audit.AgentRevoke); err != nil {
			return err
		}
		id, err := v.idOf(a.tx, kindAgent, idOrName)
		if err != nil {
			return err
		}
		who, err := load[identity](v, a.tx, store.Agents, id)
		if err != nil {
			return err
		}
		if who == nil || !who.Revoked.IsZero() {
			return api.New(api.CodeNotFound, "no such living agent").WithHint("ass agents list shows them")
		}
		next := *who
		next.Revoked = v.log.Now()
		a.ends = true
		ev := a.event(audit.AgentRevoke)
		ev.Subject = &audit.Subject{ID: who.ID, Name: who.Name}
		return a.record(ev, put(store.Agents, who.ID, next), remove(store.Names, nameKey(kindAgent, who.Name)))
	})
}

// idOf is the id that a name belongs to now; what is no name is an id.
func (v *Vault) idOf(r store.Reader, k kind, idOrName string) (string, error) {
	named, err := load[holder](v, r, store.Names, nameKey(k, idOrName))
	if err != nil || named == nil {
		return idOrName, err
	}
	return named.ID, nil
}

// Agents lists the living agents, oldest first, for owners.
func (v *Vault) Agents(ctx context.Context, req Request) ([]api.Agent, error) {
	list := []api.Agent{}
	err := v.look(ctx, req, audit.AgentList, true, func(r store.Reader, _ *caller) error {
		return v.eachAgent(r, func(id *identity) { list = append(list, v.describe(id)) })
	})
	sort.SliceStable(list, func(i, j int) bool { return list[i].CreatedAt.Before(list[j].CreatedAt) })
	return list, err
}

// eachAgent calls fn with each living agent.
func (v *Vault) eachAgent(r store.Reader, fn func(*identity)) error {
	return r.Scan(store.Agents, nil, func(k, _ []byte) (bool, error) {
		id, err := load[identity](v, r, store.Agents, string(k))
		if err == nil && id.Revoked.IsZero() {
			fn(id)
		}
		return err == nil, err
	})
}

func (v *Vault) describe(id *identity) api.Agent {
	out := api.Agent{
		ID: id.ID, Name: id.Name, APIKeyPrefix: id.KeyPrefix, Active: id.Revoked.IsZero(),
		AllowedNamespaces: id.Namespaces, AllowedScopes: id.Scopes,
		CreatedAt: id.Created, LastActiveAt: v.active.last(id.ID),
	}
	if len(out.AllowedNamespaces) == 0 {
		out.AllowedNamespaces = []string{"*"}
	}
	if id.Description != "" {
		out.Description = &id.Description
	}
	return out
}
