package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/agent-secret-store/assd/vault/api"
)

// Health asks whether the daemon answers; it sends no key.
func (c *Client) Health(ctx context.Context) (*api.Health, error) {
	var out api.Health
	return &out, c.do(ctx, call{method: http.MethodGet, path: "/v1/health"}, &out)
}

// Claim makes the caller the vault's first owner; it sends no key. A vault is
// claimed once: later it is CONFLICT, and the message says when and by whom. A
// passphrase becomes the approval passphrase, and the answer has the one for
// recovery, this once; one that is no good is VALIDATION_ERROR and claims nothing.
func (c *Client) Claim(ctx context.Context, req api.ClaimRequest) (*api.Claim, error) {
	var out api.Claim
	return &out, c.do(ctx, call{method: http.MethodPost, path: "/v1/vault/claim", body: req}, &out)
}

// Me tells whom the key belongs to.
func (c *Client) Me(ctx context.Context) (*api.Me, error) {
	var out api.Me
	return &out, c.asOwn(ctx, call{method: http.MethodGet, path: "/v1/me"}, &out)
}

// IssueToken exchanges the key for a token. An answer that waits for a person
// (202) is the error APPROVAL_REQUIRED here, with the id of the request.
func (c *Client) IssueToken(ctx context.Context, req api.TokenRequest) (*api.TokenResponse, error) {
	var out struct {
		api.TokenResponse
		RequiresApproval bool       `json:"requires_approval"` // of api.TokenWaits
		ApprovalID       string     `json:"approval_id"`
		Message          string     `json:"message"`
		Hint             string     `json:"hint"`
		OpensAt          *time.Time `json:"opens_at"`
	}
	if err := c.asOwn(ctx, call{method: http.MethodPost, path: "/v1/tokens", body: req}, &out); err != nil {
		return nil, err
	}
	if out.RequiresApproval || out.Token == "" {
		refusal := api.New(api.CodeApprovalRequired, or(out.Message, "this waits for an owner's approval"))
		refusal.ApprovalID, refusal.Hint = out.ApprovalID, out.Hint
		if out.OpensAt != nil {
			refusal.Details = map[string]any{api.OpensAt: out.OpensAt.UTC().Format(time.RFC3339)}
		}
		return nil, refusal
	}
	return &out.TokenResponse, nil
}

// Tokens lists live tokens: an owner's view of all, an agent's of its own.
func (c *Client) Tokens(ctx context.Context) (*api.Tokens, error) {
	var out api.Tokens
	return &out, c.asOwn(ctx, call{method: http.MethodGet, path: "/v1/tokens", limit: maxListing}, &out)
}

// RevokeToken ends a token at once.
func (c *Client) RevokeToken(ctx context.Context, id string) error {
	return c.asOwn(ctx, call{method: http.MethodDelete, path: "/v1/tokens/" + url.PathEscape(id)}, nil)
}

// Agents lists the living agents, oldest first. Owners only.
func (c *Client) Agents(ctx context.Context) (*api.Agents, error) {
	var out api.Agents
	return &out, c.asOwn(ctx, call{method: http.MethodGet, path: "/v1/agents", limit: maxListing}, &out)
}

// CreateAgent makes an agent; the answer holds its key, this once.
func (c *Client) CreateAgent(ctx context.Context, req api.AgentCreate) (*api.AgentCreated, error) {
	var out api.AgentCreated
	return &out, c.asOwn(ctx, call{method: http.MethodPost, path: "/v1/agents", body: req}, &out)
}

// RevokeAgent ends an agent and all its tokens at once, by id or name.
func (c *Client) RevokeAgent(ctx context.Context, idOrName string) error {
	return c.asOwn(ctx, call{method: http.MethodDelete, path: "/v1/agents/" + url.PathEscape(idOrName)}, nil)
}

// Certificate tells what the daemon shows on TLS; it sends no key.
func (c *Client) Certificate(ctx context.Context) (*api.Certificate, error) {
	var out api.Certificate
	return &out, c.do(ctx, call{method: http.MethodGet, path: "/v1/vault/certificate"}, &out)
}

// AuditQuery chooses events; a zero field does not filter.
type AuditQuery struct {
	Namespace, Agent, Action string
	Since, Until             time.Time
	Limit                    int    // events on the page, at most 1000; 0 lets the daemon choose
	Cursor                   string // NextCursor of the page before
}

// Audit reads one page of the trail, newest first. Owners only.
func (c *Client) Audit(ctx context.Context, q AuditQuery) (*api.AuditPage, error) {
	var out api.AuditPage
	return &out, c.asOwn(ctx, call{method: http.MethodGet, path: "/v1/audit", query: q.values(), limit: maxListing}, &out)
}

func (q AuditQuery) values() url.Values {
	v := url.Values{}
	set := func(name, value string) {
		if value != "" {
			v.Set(name, value)
		}
	}
	set("namespace", q.Namespace)
	set("agent", q.Agent)
	set("action", q.Action)
	set("since", stamp(q.Since))
	set("until", stamp(q.Until))
	set("cursor", q.Cursor)
	if q.Limit != 0 {
		v.Set("limit", strconv.Itoa(q.Limit))
	}
	return v
}

// stamp is t as the API reads it, "" for the zero time.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

// asOwn sends a call with the key itself; never one for a secrets route.
func (c *Client) asOwn(ctx context.Context, cl call, out any) error {
	cl.bearer = c.key
	return c.do(ctx, cl, out)
}
