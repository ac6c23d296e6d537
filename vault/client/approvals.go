package client

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/agent-secret-store/assd/vault/api"
)

// longestWait is how long one request for news waits at the daemon.
const longestWait = 30 * time.Second

// wait is how long a request for news may wait: so that its answer comes before
// the client's own time is over.
func (c *Client) wait() string {
	return api.TTL(max(min(longestWait, c.http.Timeout/2), time.Second).Truncate(time.Second)).String()
}

// Approvals lists requests of one status, or all for "", newest first and no more
// than the daemon's bound. Owners only.
func (c *Client) Approvals(ctx context.Context, status string) (*api.Approvals, error) {
	return c.approvals(ctx, status, url.Values{})
}

// WatchApprovals is Approvals once the list is another one than that of cursor,
// which is "" for none, or as it is after half a minute. Ask again with the cursor
// of the answer.
func (c *Client) WatchApprovals(ctx context.Context, status, cursor string) (*api.Approvals, error) {
	query := url.Values{"wait": {c.wait()}}
	if cursor != "" {
		query.Set("cursor", cursor)
	}
	return c.approvals(ctx, status, query)
}

func (c *Client) approvals(ctx context.Context, status string, query url.Values) (*api.Approvals, error) {
	if status != "" {
		query.Set("status", status)
	}
	var out api.Approvals
	return &out, c.asOwn(ctx, call{method: http.MethodGet, path: "/v1/approvals", query: query, limit: maxListing}, &out)
}

// Approval is one request: any for owners, an agent's own for an agent.
func (c *Client) Approval(ctx context.Context, id string) (*api.Approval, error) {
	return c.approval(ctx, id, nil)
}

// WaitApproval is Approval once the request is decided and the delay behind an
// approval is over, or as it stands after half a minute.
func (c *Client) WaitApproval(ctx context.Context, id string) (*api.Approval, error) {
	return c.approval(ctx, id, url.Values{"wait": {c.wait()}})
}

func (c *Client) approval(ctx context.Context, id string, query url.Values) (*api.Approval, error) {
	var out api.Approval
	cl := call{method: http.MethodGet, path: "/v1/approvals/agent/" + url.PathEscape(id), query: query}
	return &out, c.asOwn(ctx, cl, &out)
}

// Approve agrees to a request; it is granted once as many owners have as it needs.
// With the digest of what was shown, it is CONFLICT when that is not what is asked
// for. Owners only.
func (c *Client) Approve(ctx context.Context, id string, d api.ApprovalDecision) (*api.Approval, error) {
	return c.decide(ctx, id, "approve", d)
}

// Deny refuses a request, as [Client.Approve] agrees to it.
func (c *Client) Deny(ctx context.Context, id string, d api.ApprovalDecision) (*api.Approval, error) {
	return c.decide(ctx, id, "deny", d)
}

// RevokeApproval ends what an approval has opened, or the delay before that.
func (c *Client) RevokeApproval(ctx context.Context, id string, d api.ApprovalDecision) (*api.Approval, error) {
	return c.decide(ctx, id, "revoke", d)
}

func (c *Client) decide(ctx context.Context, id, act string, d api.ApprovalDecision) (*api.Approval, error) {
	var out api.Approval
	cl := call{method: http.MethodPost, path: "/v1/approvals/" + url.PathEscape(id) + "/" + act, body: d}
	return &out, c.asOwn(ctx, cl, &out)
}
