package client

import (
	"context"
	"net/http"
	"net/url"

	"github.com/agent-secret-store/assd/vault/api"
)

// Owners lists the living owners, oldest first. Owners only, as all below.
func (c *Client) Owners(ctx context.Context) (*api.Owners, error) {
	var out api.Owners
	return &out, c.asOwn(ctx, call{method: http.MethodGet, path: "/v1/owners", limit: maxListing}, &out)
}

// CreateOwner makes an owner; the answer holds the key, and a passphrase to begin
// with where the vault has one, this once. Where a tier asks for two owners it is
// APPROVAL_REQUIRED until another one has approved it.
func (c *Client) CreateOwner(ctx context.Context, req api.OwnerCreate) (*api.OwnerCreated, error) {
	var out api.OwnerCreated
	return &out, c.asOwn(ctx, call{method: http.MethodPost, path: "/v1/owners", body: req}, &out)
}

// RevokeOwner ends an owner with its tokens at once, by id or name; as
// [Client.CreateOwner] it may need another one's approval.
func (c *Client) RevokeOwner(ctx context.Context, idOrName string, req api.OwnerRevoke) error {
	cl := call{method: http.MethodPost, path: "/v1/owners/" + url.PathEscape(idOrName) + "/revoke", body: req}
	return c.asOwn(ctx, cl, nil)
}

// ChangePassphrase gives the caller a new approval passphrase for the old one.
func (c *Client) ChangePassphrase(ctx context.Context, req api.PassphraseChange) error {
	return c.asOwn(ctx, call{method: http.MethodPost, path: "/v1/vault/passphrase", body: req}, nil)
}
