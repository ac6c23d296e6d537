package client

import (
	"context"
	"net/http"
	"net/url"

	"github.com/agent-secret-store/assd/vault/api"
)

// OperatorFiles says how policy.toml and assd.toml stand. Owners only, as all below.
func (c *Client) OperatorFiles(ctx context.Context) (*api.OperatorFiles, error) {
	var out api.OperatorFiles
	return &out, c.asOwn(ctx, call{method: http.MethodGet, path: "/v1/policy", limit: maxListing}, &out)
}

// CheckPolicy says what the agent would be told that asks for a scope, and why. The
// place is an address, or "" for the daemon's socket.
func (c *Client) CheckPolicy(ctx context.Context, agent, scope, from string) (*api.PolicyCheck, error) {
	query := url.Values{"agent": {agent}, "scope": {scope}}
	if from != "" {
		query.Set("from", from)
	}
	var out api.PolicyCheck
	return &out, c.asOwn(ctx, call{method: http.MethodGet, path: "/v1/policy/check", query: query}, &out)
}

// AcceptPolicy puts a text that waits in force, the one with just that digest.
func (c *Client) AcceptPolicy(ctx context.Context, req api.PolicyAccept) (*api.OperatorFile, error) {
	var out api.OperatorFile
	return &out, c.asOwn(ctx, call{method: http.MethodPost, path: "/v1/policy/accept", body: req}, &out)
}
