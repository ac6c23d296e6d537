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

// Seal has the daemon let go of all keys, until it is unsealed. Owners only.
func (c *Client) Seal(ctx context.Context, req api.SealRequest) (*api.Sealing, error) {
	var out api.Sealing
	return &out, c.asOwn(ctx, call{method: http.MethodPost, path: "/v1/vault/seal", body: req}, &out)
}

// Unseal opens a sealed vault with a passphrase of its slots, or, without one, with what
// the daemon was told to open it with; it sends no key.
func (c *Client) Unseal(ctx context.Context, req api.UnsealRequest) (*api.Unsealed, error) {
	var out api.Unsealed
	return &out, c.do(ctx, call{method: http.MethodPost, path: "/v1/vault/unseal", body: req}, &out)
}
