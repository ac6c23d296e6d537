package client

import (
	"context"
	"net/http"

	"github.com/agent-secret-store/assd/vault/api"
)

// Lockdown stops everything at once, until an owner lifts it. For owners, and for
// agents where the policy says so.
func (c *Client) Lockdown(ctx context.Context, req api.LockdownRequest) (*api.Lockdown, error) {
	var out api.Lockdown
	return &out, c.asOwn(ctx, call{method: http.MethodPost, path: "/v1/vault/lockdown", body: req}, &out)
}

// Lift ends a lockdown; what that has ended stays ended. Owners only.
func (c *Client) Lift(ctx context.Context, req api.LiftRequest) (*api.Lockdown, error) {
	var out api.Lockdown
	return &out, c.asOwn(ctx, call{method: http.MethodPost, path: "/v1/vault/lift", body: req}, &out)
}
