package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"github.com/agent-secret-store/assd/vault/api"
)

// Checkpoint is the newest signed head of the trail, with the hash of event size, where
// that is not 0: NOT_FOUND when the trail ends before it. Owners only.
func (c *Client) Checkpoint(ctx context.Context, size uint64) (*api.Checkpoint, error) {
	query := url.Values{}
	if size > 0 {
		query.Set("size", strconv.FormatUint(size, 10))
	}
	var out api.Checkpoint
	return &out, c.asOwn(ctx, call{method: http.MethodGet, path: "/v1/audit/checkpoint", query: query}, &out)
}

// VerifyTrail has the daemon check the whole vault, for as long as that takes. Owners
// only.
func (c *Client) VerifyTrail(ctx context.Context) (*api.TrailCheck, error) {
	var out api.TrailCheck
	return &out, c.patient().asOwn(ctx, call{method: http.MethodPost, path: "/v1/audit/verify"}, &out)
}

// RotateAuditKey has another key sign the trail from now on. Owners only.
func (c *Client) RotateAuditKey(ctx context.Context, req api.KeyRotation) (*api.KeyRotated, error) {
	var out api.KeyRotated
	return &out, c.asOwn(ctx, call{method: http.MethodPost, path: "/v1/audit/rotate-key", body: req}, &out)
}
