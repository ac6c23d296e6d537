package client

import (
	"context"
	"net/http"
	"net/url"

	"github.com/agent-secret-store/assd/vault/api"
)

// Slots lists what opens the vault, oldest first. Owners only, as all below.
func (c *Client) Slots(ctx context.Context) (*api.Slots, error) {
	var out api.Slots
	return &out, c.asOwn(ctx, call{method: http.MethodGet, path: "/v1/vault/slots"}, &out)
}

// AddSlot has another secret open the vault.
func (c *Client) AddSlot(ctx context.Context, req api.SlotAdd) (*api.Slot, error) {
	var out api.Slot
	return &out, c.asOwn(ctx, call{method: http.MethodPost, path: "/v1/vault/slots", body: req}, &out)
}

// RemoveSlot has a secret open the vault no more. Older copies of its file still open
// with it.
func (c *Client) RemoveSlot(ctx context.Context, id string, req api.SlotRemove) (*api.SlotRemoved, error) {
	var out api.SlotRemoved
	path := "/v1/vault/slots/" + url.PathEscape(id) + "/remove"
	return &out, c.asOwn(ctx, call{method: http.MethodPost, path: path, body: req}, &out)
}
