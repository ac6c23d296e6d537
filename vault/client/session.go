package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/agent-secret-store/assd/policy"
	"github.com/agent-secret-store/assd/vault/api"
)

// Session is what one token opens: secrets, within the token's scopes. It ends
// when the token does, 15 minutes after it was issued unless the daemon's
// operator has set another default.
type Session struct {
	c     *Client
	token string
}

// WithScope exchanges the key for a token of these scopes. A scope beyond the
// caller's reach is SCOPE_DENIED; one that waits for a person is
// APPROVAL_REQUIRED with the id of the request.
func (c *Client) WithScope(ctx context.Context, scopes ...string) (*Session, error) {
	return c.WithToken(ctx, api.TokenRequest{Scopes: scopes})
}

// WithToken is [Client.WithScope] for whoever has more to say than scopes: an agent
// why it asks, an owner the approval passphrase.
func (c *Client) WithToken(ctx context.Context, req api.TokenRequest) (*Session, error) {
	t, err := c.IssueToken(ctx, req)
	if err != nil {
		return nil, err
	}
	return &Session{c: c, token: t.Token}, nil
}

// Secret reads the newest version of a secret.
func (s *Session) Secret(ctx context.Context, path policy.Path) (*api.Secret, error) {
	var out api.Secret
	return &out, s.do(ctx, call{method: http.MethodGet, path: secretRoute(path)}, &out)
}

// SecretVersion reads an older version of a secret, of those that are kept.
func (s *Session) SecretVersion(ctx context.Context, path policy.Path, n uint64) (*api.Secret, error) {
	var out api.Secret
	cl := call{method: http.MethodGet, path: secretRoute(path), query: url.Values{"version": {strconv.FormatUint(n, 10)}}}
	return &out, s.do(ctx, cl, &out)
}

// Versions lists the kept versions of a secret, newest first; never values.
func (s *Session) Versions(ctx context.Context, path policy.Path) (*api.SecretVersions, error) {
	var out api.SecretVersions
	return &out, s.do(ctx, call{method: http.MethodGet, path: secretRoute(path) + "/" + policy.SubVersions}, &out)
}

// Rollback stores the value of an older version anew, as the next one.
func (s *Session) Rollback(ctx context.Context, path policy.Path, n uint64) (*api.SecretInfo, error) {
	var out api.SecretInfo
	cl := call{method: http.MethodPost, path: secretRoute(path) + "/" + policy.SubRollback, body: api.SecretRollback{Version: &n}}
	return &out, s.do(ctx, cl, &out)
}

// PutSecret stores a new version; the answer shows the tier in force.
func (s *Session) PutSecret(ctx context.Context, path policy.Path, w api.SecretWrite) (*api.SecretInfo, error) {
	var out api.SecretInfo
	return &out, s.do(ctx, call{method: http.MethodPut, path: secretRoute(path), body: w}, &out)
}

// RotateSecret stores the next value, or without one has it made.
func (s *Session) RotateSecret(ctx context.Context, path policy.Path, value *string) (*api.SecretRotation, error) {
	var out api.SecretRotation
	want := api.SecretRotate{Value: value}
	return &out, s.do(ctx, call{method: http.MethodPost, path: secretRoute(path) + "/" + policy.SubRotate, body: want}, &out)
}

// DeleteSecret deletes a secret with all its versions.
func (s *Session) DeleteSecret(ctx context.Context, path policy.Path) error {
	return s.do(ctx, call{method: http.MethodDelete, path: secretRoute(path)}, nil)
}

// Secrets lists what the token reaches directly in a namespace, or in the whole
// vault for the zero namespace; never values.
func (s *Session) Secrets(ctx context.Context, ns policy.Namespace) (*api.SecretList, error) {
	cl := call{method: http.MethodGet, path: "/v1/secrets", limit: maxListing}
	if !ns.IsZero() {
		cl.query = url.Values{"namespace": {ns.String()}}
	}
	var out api.SecretList
	return &out, s.do(ctx, cl, &out)
}

// Export reads the secrets directly in some namespaces, or those named, all or none.
func (s *Session) Export(ctx context.Context, req api.ExportRequest) ([]api.Secret, error) {
	var out api.Export
	err := s.do(ctx, call{method: http.MethodPost, path: "/v1/secrets/export", body: req, limit: maxListing}, &out)
	return out.Items, err
}

// Import stores the values of a dotenv text, all or none. As it is sent, sent is told
// how many bytes have gone of how many; it may be nil.
func (s *Session) Import(ctx context.Context, req api.ImportRequest, sent func(done, all int64)) (*api.ImportResponse, error) {
	var out api.ImportResponse
	return &out, s.do(ctx, call{method: http.MethodPost, path: "/v1/secrets/import", body: req, limit: maxListing, sent: sent}, &out)
}

// Namespaces lists the namespaces that the token reaches; it needs the scope
// namespaces:read.
func (s *Session) Namespaces(ctx context.Context) (*api.Namespaces, error) {
	var out api.Namespaces
	return &out, s.do(ctx, call{method: http.MethodGet, path: "/v1/namespaces", limit: maxListing}, &out)
}

// do sends a call with the token, never with the key.
func (s *Session) do(ctx context.Context, cl call, out any) error {
	cl.bearer = s.token
	return s.c.do(ctx, cl, out)
}

// secretRoute is the route of one secret. A path holds nothing that would have
// to be escaped; should that change, escaping is here already.
func secretRoute(p policy.Path) string {
	pieces := strings.Split(p.String(), "/")
	for i, piece := range pieces {
		pieces[i] = url.PathEscape(piece)
	}
	return "/v1/secrets/" + strings.Join(pieces, "/")
}
