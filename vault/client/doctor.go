package client

import (
	"context"
	"net/http"

	"github.com/agent-secret-store/assd/vault/api"
)

// Doctor asks what protects the vault and what does not; owners only.
func (c *Client) Doctor(ctx context.Context) (*api.Doctor, error) {
	var out api.Doctor
	return &out, c.asOwn(ctx, call{method: http.MethodGet, path: "/v1/vault/doctor", limit: maxAnswer}, &out)
}
