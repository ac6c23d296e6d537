package client

import (
	"context"
	"net/http"

	"github.com/agent-secret-store/assd/vault/api"
)

// Compact has the data file written anew without what is gone from the vault, for as
// long as that takes. Owners only.
func (c *Client) Compact(ctx context.Context) (*api.Compaction, error) {
	var out api.Compaction
	return &out, c.patient().asOwn(ctx, call{method: http.MethodPost, path: "/v1/vault/compact"}, &out)
}

// patient is c, but waits for an answer without end.
func (c *Client) patient() *Client {
	endless := *c.http
	endless.Timeout = 0
	patient := *c
	patient.http = &endless
	return &patient
}
