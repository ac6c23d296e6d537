package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"sync/atomic"
	"time"
)

const pathsEach = 5

// client works on paths of its own, so that it alone knows what is there. What it was
// told is what must be; what it was not told of may be or not.
type client struct {
	l       *ledger
	http    *caller
	random  *rand.Rand
	secrets []*secret
	agents  []agent
	made    int
	keeper  bool          // it also looks after the vault
	pause   time.Duration // between two acts
	rest    time.Duration // of the keeper, between two acts of that kind
	kept    time.Time     // the end of the last one
	keeping atomic.Bool   // one is under way
	most    int           // agents that it makes
}

// secret is one path, as its client knows it.
type secret struct {
	path    string
	value   string // "": it is not there
	version uint64
	pending *string // the value that it may have instead; "" for a deletion
}

// agent is one that was acknowledged.
type agent struct {
	id, key string
	revoked bool
	pending bool // it may be revoked
}

func newClient(l *ledger, n int, seed uint64) *client {
	c := &client{l: l, http: l.v.caller(), random: rand.New(rand.NewPCG(seed, 1)), keeper: n == 0, most: math.MaxInt}
	for k := range pathsEach {
		c.secrets = append(c.secrets, &secret{path: fmt.Sprintf("load/c%d/K%d", n, k)})
	}
	return c
}

// work goes on until ctx ends. Having no answer is no error: the daemon is being killed,
// or is not up yet.
func (c *client) work(ctx context.Context) error {
	for ctx.Err() == nil {
		time.Sleep(c.pause)
		err := c.act(ctx)
		if err != nil && !errors.Is(err, errNoAnswer) {
			return fmt.Errorf("the daemon refused: %w", err)
		}
		if errors.Is(err, errNoAnswer) {
			if err := c.settle(ctx); err != nil && ctx.Err() == nil {
				return err
			}
		}
	}
	return nil
}

// act is one act at random.
func (c *client) act(ctx context.Context) error {
	s := c.secrets[c.random.IntN(len(c.secrets))]
	switch n := c.random.IntN(20); {
	case s.pending != nil:
		return c.look(ctx, s)
	case c.keeper && time.Since(c.kept) >= c.rest && c.random.IntN(8) == 0:
		return c.keep(ctx)
	case n == 0 && len(c.agents) < c.most:
		return c.createAgent(ctx)
	case n == 1 && len(c.agents) > 0:
		return c.revokeAgent(ctx, &c.agents[c.random.IntN(len(c.agents))])
	case n < 4 && s.value != "":
		return c.remove(ctx, s)
	case n < 12 && s.value != "":
		return c.read(ctx, s)
	default:
		return c.write(ctx, s)
	}
}

func (c *client) write(ctx context.Context, s *secret) error {
	next := fmt.Sprintf("value-%d-%x", c.made, c.random.Uint64())
	c.made++
	s.pending = &next
	var got struct{ Version uint64 }
	id, err := c.http.call(ctx, "PUT", "/v1/secrets/"+s.path, c.l.v.owner, map[string]string{"value": next}, &got)
	if err != nil {
		return err
	}
	if got.Version <= s.version {
		return fmt.Errorf("%s: a write gave version %d after %d", s.path, got.Version, s.version)
	}
	s.value, s.version, s.pending = next, got.Version, nil
	c.l.note(id, "secret.write")
	return nil
}

func (c *client) remove(ctx context.Context, s *secret) error {
	none := ""
	s.pending = &none
	id, err := c.http.call(ctx, "DELETE", "/v1/secrets/"+s.path, c.l.v.owner, nil, nil)
	if err != nil {
		return err
	}
	s.value, s.pending = "", nil
	c.l.note(id, "secret.delete")
	return nil
}

func (c *client) read(ctx context.Context, s *secret) error {
	var got struct {
		Value   string
		Version uint64
	}
	id, err := c.http.call(ctx, "GET", "/v1/secrets/"+s.path, c.l.v.owner, nil, &got)
	if err != nil {
		return err
	}
	if got.Value != s.value {
		return fmt.Errorf("%s is %q, and was written as %q", s.path, got.Value, s.value)
	}
	c.l.note(id, "secret.read")
	return nil
}

func (c *client) createAgent(ctx context.Context) error {
	var got struct {
		ID  string
		Key string `json:"api_key"`
	}
	name := fmt.Sprintf("a-%x", c.random.Uint64())
	id, err := c.http.call(ctx, "POST", "/v1/agents", c.l.v.owner, map[string]string{"name": name}, &got)
	if err != nil {
		return err
	}
	c.agents = append(c.agents, agent{id: got.ID, key: got.Key})
	c.l.note(id, "agent.create")
	return nil
}

func (c *client) revokeAgent(ctx context.Context, a *agent) error {
	if a.revoked || a.pending {
		return nil
	}
	a.pending = true
	id, err := c.http.call(ctx, "DELETE", "/v1/agents/"+a.id, c.l.v.owner, nil, nil)
	if err != nil {
		return err
	}
	a.revoked, a.pending = true, false
	c.l.note(id, "agent.revoke")
	return nil
}

// keep does what an owner does to a vault now and then: other keys, with another root key
// or without, a file without free pages, a backup.
func (c *client) keep(ctx context.Context) error {
	none := map[string]bool{}
	acts := []struct {
		path, event string
		want        map[string]bool
	}{
		{"rotate-kek", "kek.rotate", none}, {"rotate-kek", "kek.rotate", map[string]bool{"root": true}},
		{"compact", "vault.compact", none}, {"backup", "vault.backup", none},
	}
	act := acts[c.random.IntN(len(acts))]
	c.keeping.Store(true)
	defer func() { c.kept = time.Now(); c.keeping.Store(false) }()
	id, err := c.http.call(ctx, "POST", "/v1/vault/"+act.path, c.l.v.owner, act.want, nil)
	if refused, ok := errors.AsType[*refusal](err); ok && refused.status == http.StatusConflict {
		return nil // one is under way
	}
	if err != nil {
		return err
	}
	c.l.note(id, act.event)
	return nil
}
