package client

import (
	"context"
	"net/http"
	"net/url"

	"github.com/agent-secret-store/assd/vault/api"
)

// Webhooks lists the receivers, and how they stand. Owners only, as below.
func (c *Client) Webhooks(ctx context.Context) (*api.Webhooks, error) {
	var out api.Webhooks
	return &out, c.asOwn(ctx, call{method: http.MethodGet, path: "/v1/webhooks", limit: maxListing}, &out)
}

// TestWebhook has one message sent to a receiver now, and says what came of it.
func (c *Client) TestWebhook(ctx context.Context, name string) (*api.WebhookTest, error) {
	var out api.WebhookTest
	return &out, c.asOwn(ctx, call{method: http.MethodPost, path: "/v1/webhooks/" + url.PathEscape(name) + "/test"}, &out)
}
