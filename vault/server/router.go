package server

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/agent-secret-store/assd/vault/api"
)

// handler answers a request with a body to be sent as JSON: nil is 204.
type handler func(*request) (any, error)

// route is one row of the table. A pattern ends in "/{id}" (one piece), in
// "/{path}" (the rest, as sent), or is literal.
type route struct {
	method, pattern, name string
	handle                handler
}

const (
	idMark   = "/{id}"
	pathMark = "/{path}"
)

func (s *Server) table() []route {
	return []route{
		{"GET", "/v1/health", "health", s.health},
		{"GET", "/.well-known/jwks.json", "jwks", s.jwks},
		{"POST", "/v1/vault/claim", "claim", s.claim},
		{"GET", "/v1/me", "me", s.me},
		{"GET", "/v1/me/status", "me", s.me},
		{"POST", "/v1/tokens", "token.issue", s.issueToken},
		{"GET", "/v1/tokens", "token.list", s.listTokens},
		{"DELETE", "/v1/tokens/{id}", "token.revoke", s.revokeToken},
		{"GET", "/v1/secrets", "secret.list", s.listSecrets},
		{"GET", "/v1/secrets/{path}", "secret.get", s.getSecret},
		{"PUT", "/v1/secrets/{path}", "secret.put", s.putSecret},
		{"DELETE", "/v1/secrets/{path}", "secret.delete", s.deleteSecret},
		{"GET", "/v1/namespaces", "namespaces", s.listNamespaces},
		{"GET", "/v1/agents", "agent.list", s.listAgents},
		{"POST", "/v1/agents", "agent.create", s.createAgent},
		{"DELETE", "/v1/agents/{id}", "agent.revoke", s.revokeAgent},
		{"GET", "/v1/audit", "audit", s.audit},
	}
}

// find is the handler for the request, by its escaped path: nothing is decoded,
// cleaned or redirected before a handler looks at it.
func (s *Server) find(rq *request) (handler, string) {
	path := rq.http.URL.EscapedPath()
	for _, rt := range s.routes {
		if rt.method == rq.http.Method && rt.match(path, rq) {
			return rt.handle, rt.name
		}
	}
	return nil, "none"
}

func (rt route) match(path string, rq *request) bool {
	if base, ok := strings.CutSuffix(rt.pattern, pathMark); ok {
		rest, ok := strings.CutPrefix(path, base+"/")
		rq.rest = rest
		return ok
	}
	if base, ok := strings.CutSuffix(rt.pattern, idMark); ok {
		rest, ok := strings.CutPrefix(path, base+"/")
		rq.rest = rest
		return ok && !strings.Contains(rest, "/")
	}
	return path == rt.pattern
}

// id is the one piece behind a pattern's "/{id}", decoded once. Such a route
// takes no query.
func (rq *request) id() (string, error) {
	if _, err := rq.query(); err != nil {
		return "", err
	}
	id, err := url.PathUnescape(rq.rest)
	if err != nil || id == "" || len(id) > maxSegment || strings.ContainsFunc(id, notInName) {
		return "", api.New(api.CodeValidation, "id: 1 to 128 characters of A-Z a-z 0-9 _ . - are expected at the end of the path")
	}
	return id, nil
}

func notInName(r rune) bool {
	switch {
	case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9':
		return false
	}
	return r != '_' && r != '.' && r != '-'
}

// query reads the query string strictly: only the parameters named, each once.
func (rq *request) query(allowed ...string) (map[string]string, error) {
	raw := rq.http.URL.RawQuery
	if len(raw) > maxQuery {
		return nil, api.New(api.CodeValidation, "query: longer than 4096 bytes")
	}
	values, err := url.ParseQuery(raw)
	if err != nil {
		return nil, api.New(api.CodeValidation, "query: not well formed")
	}
	out := map[string]string{}
	for _, name := range allowed {
		if v, ok := values[name]; ok {
			if len(v) != 1 || v[0] == "" {
				return nil, api.New(api.CodeValidation, name+": give it once, with a value, or leave it out")
			}
			out[name] = v[0]
			delete(values, name)
		}
	}
	if len(values) > 0 {
		return nil, api.New(api.CodeValidation, "query: this route takes "+strings.Join(append(allowed, "nothing else"), ", "))
	}
	return out, nil
}

var _ http.Handler = (*Server)(nil)
