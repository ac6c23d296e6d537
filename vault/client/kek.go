package client

import (
	"context"
	"net/http"

	"github.com/agent-secret-store/assd/vault/api"
)

// RotateKEK has another key seal values from now on, and begins to wrap what is there
// anew. Owners only.
func (c *Client) RotateKEK(ctx context.Context, req api.KEKRotation) (*api.KEKRotated, error) {
	var out api.KEKRotated
	return &out, c.asOwn(ctx, call{method: http.MethodPost, path: "/v1/vault/rotate-kek", body: req}, &out)
}

// VaultStatus says how keys and data file stand. Owners only.
func (c *Client) VaultStatus(ctx context.Context) (*api.VaultStatus, error) {
	var out api.VaultStatus
	return &out, c.asOwn(ctx, call{method: http.MethodGet, path: "/v1/vault/status"}, &out)
}
