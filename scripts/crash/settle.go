package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// settle looks, once the daemon answers, which of both a path is for which no answer
// came. There is nothing to look at while it is down.
func (c *client) settle(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-time.After(2 * time.Millisecond):
	}
	for _, s := range c.secrets {
		if s.pending == nil {
			continue
		}
		if err := c.look(ctx, s); err != nil && !errors.Is(err, errNoAnswer) {
			return err
		}
	}
	return nil
}

// check is settle after a kill, of all paths and agents.
func (c *client) check(ctx context.Context) error {
	for _, s := range c.secrets {
		if err := c.look(ctx, s); err != nil {
			return err
		}
	}
	for i := range c.agents {
		if err := c.lookAgent(ctx, &c.agents[i]); err != nil {
			return err
		}
	}
	c.forgetAgents()
	return nil
}

// look reads a path, which must be as it was acknowledged or as it was then asked for.
func (c *client) look(ctx context.Context, s *secret) error {
	var got struct {
		Value   string
		Version uint64
	}
	id, err := c.http.call(ctx, "GET", "/v1/secrets/"+s.path, c.l.v.owner, nil, &got)
	if refused, ok := errors.AsType[*refusal](err); ok && refused.status == http.StatusNotFound {
		err = nil // it is not there, and its value is ""
	} else if err != nil {
		return err
	} else {
		c.l.note(id, "secret.read")
	}
	switch {
	case got.Value == s.value && (s.value == "" || got.Version == s.version):
	case s.pending != nil && got.Value == *s.pending && (got.Value == "" || got.Version > s.version):
		s.value = got.Value
		s.version = max(s.version, got.Version)
	default:
		return fmt.Errorf("%s is %q, version %d; acknowledged was %q, version %d", s.path, got.Value, got.Version, s.value, s.version)
	}
	s.pending = nil
	return nil
}

// lookAgent tries the key of an agent: a revoke that was acknowledged holds.
func (c *client) lookAgent(ctx context.Context, a *agent) error {
	_, err := c.http.call(ctx, "GET", "/v1/me", a.key, nil, nil)
	refused, no := errors.AsType[*refusal](err)
	switch {
	case err != nil && !no:
		return err
	case no && refused.status != http.StatusUnauthorized:
		return err
	case a.revoked && !no:
		return fmt.Errorf("agent %s was revoked, and its key opens", a.id)
	case !a.revoked && !a.pending && no:
		return fmt.Errorf("agent %s was made, and its key does not open", a.id)
	}
	a.revoked, a.pending = no, false
	return nil
}

// forgetAgents keeps the list of agents short: what is revoked was seen to be.
func (c *client) forgetAgents() {
	var living []agent
	for _, a := range c.agents {
		if !a.revoked {
			living = append(living, a)
		}
	}
	c.agents = living
}
