package server

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/agent-secret-store/assd/vault/api"
)

// handler answers a request with a body to be sent as JSON: nil is 204.
type handler func(*request) (any, error)

// route is one row of the table. A pattern is literal, or has one "/{id}" (one
// piece) or one "/{path}" (one piece or more, as sent) with nothing behind it or a
// literal piece.
type route struct {
	method, pattern, name string
	handle                handler
	body                  int64 // the most it reads, in bytes; 0: it reads none
}

const (
	idMark   = "/{id}"
	pathMark = "/{path}"
)

func (s *Server) table() []route {
	return []route{
		{"GET", "/v1/health", "health", s.health, 0},
		{"GET", "/.well-known/jwks.json", "jwks", s.jwks, 0},
		{"GET", "/v1/openapi.json", "openapi", s.openapi, 0},
		{"GET", "/v1/vault/certificate", "certificate", s.certificate, 0},
		{"POST", "/v1/vault/claim", "claim", s.claim, smallBody},
		{"GET", "/v1/me", "me", s.me, 0},
		{"GET", "/v1/me/status", "me", s.me, 0},
		{"POST", "/v1/tokens", "token.issue", s.issueToken, maxBody},
		{"GET", "/v1/tokens", "token.list", s.listTokens, 0},
		{"DELETE", "/v1/tokens/{id}", "token.revoke", s.revokeToken, 0},
		{"GET", "/v1/secrets", "secret.list", s.listSecrets, 0},
		{"GET", "/v1/secrets/{path}/versions", "secret.history", s.listVersions, 0},
		{"GET", "/v1/secrets/{path}", "secret.get", s.getSecret, 0},
		{"PUT", "/v1/secrets/{path}", "secret.put", s.putSecret, maxBody},
		{"DELETE", "/v1/secrets/{path}", "secret.delete", s.deleteSecret, 0},
		{"POST", "/v1/secrets/import", "secret.import", s.importSecrets, maxImportBody},
		{"POST", "/v1/secrets/export", "secret.export", s.exportSecrets, maxBody},
		{"POST", "/v1/secrets/{path}/rotate", "secret.rotate", s.rotateSecret, maxBody},
		{"POST", "/v1/secrets/{path}/rollback", "secret.rollback", s.rollBack, smallBody},
		{"GET", "/v1/namespaces", "namespaces", s.listNamespaces, 0},
		{"GET", "/v1/agents", "agent.list", s.listAgents, 0},
		{"POST", "/v1/agents", "agent.create", s.createAgent, maxBody},
		{"DELETE", "/v1/agents/{id}", "agent.revoke", s.revokeAgent, 0},
		{"GET", "/v1/approvals", "approval.list", s.listApprovals, 0},
		{"GET", "/v1/approvals/agent/{id}", "approval.get", s.ownApproval, 0},
		{"POST", "/v1/approvals/{id}/approve", "approval.approve", s.approve, smallBody},
		{"POST", "/v1/approvals/{id}/deny", "approval.deny", s.deny, smallBody},
		{"POST", "/v1/approvals/{id}/revoke", "approval.revoke", s.revokeApproval, smallBody},
		{"GET", "/v1/owners", "owner.list", s.listOwners, 0},
		{"POST", "/v1/owners", "owner.create", s.createOwner, smallBody},
		{"POST", "/v1/owners/{id}/revoke", "owner.revoke", s.revokeOwner, smallBody},
		{"GET", "/v1/policy", "policy.get", s.getPolicy, 0},
		{"GET", "/v1/policy/check", "policy.check", s.checkPolicy, 0},
		{"POST", "/v1/policy/accept", "policy.accept", s.acceptPolicy, smallBody},
		{"GET", "/v1/vault/status", "vault.status", s.vaultStatus, 0},
		{"POST", "/v1/vault/rotate-kek", "kek.rotate", s.rotateKEK, smallBody},
		{"POST", "/v1/vault/lockdown", "vault.lockdown", s.lockdown, smallBody},
		{"POST", "/v1/vault/lift", "vault.lift", s.lift, smallBody},
		{"POST", "/v1/vault/compact", "vault.compact", s.compact, 0},
		{"GET", "/v1/vault/backup", "vault.backup.get", s.getBackup, 0},
		{"POST", "/v1/vault/backup", "vault.backup", s.backup, smallBody},
		{"GET", "/v1/vault/slots", "vault.slot_list", s.listSlots, 0},
		{"POST", "/v1/vault/slots", "vault.slot_add", s.addSlot, smallBody},
		{"POST", "/v1/vault/slots/{id}/remove", "vault.slot_remove", s.removeSlot, smallBody},
		s.unsealRoute(),
		{"POST", "/v1/vault/seal", "vault.seal", s.seal, smallBody},
		{"POST", "/v1/vault/passphrase", "passphrase.set", s.changePassphrase, smallBody},
		{"GET", "/v1/vault/doctor", "vault.doctor", s.doctor, 0},
		{"GET", "/v1/webhooks", "webhook.list", s.listWebhooks, 0},
		{"POST", "/v1/webhooks/{id}/test", "webhook.test", s.testWebhook, 0},
		{"GET", "/v1/audit", "audit", s.audit, 0},
		{"GET", "/v1/audit/checkpoint", "audit.checkpoint", s.checkpoint, 0},
		{"POST", "/v1/audit/verify", "audit.verify", s.verifyTrail, 0},
		{"POST", "/v1/audit/rotate-key", "audit.rotate_key", s.rotateAuditKey, smallBody},
		{"GET", "/v1/audit/export", "audit.export", s.exportAudit, 0},
		{"GET", "/v1/audit/follow", "audit.follow", s.followAudit, 0},
		{"GET", "/v1/audit/stats", "audit.stats", s.auditStats, 0},
	}
}

// find is the route of the request, or nil, by its escaped path: nothing is decoded,
// cleaned or redirected before a handler looks at it.
func (s *Server) find(rq *request) *route {
	path := rq.http.URL.EscapedPath()
	for i := range s.routes {
		if rt := &s.routes[i]; rt.method == rq.http.Method && rt.match(path, rq) {
			return rt
		}
	}
	return nil
}

// match reports whether path is one of rt's, and keeps in rq what stands for the
// pattern's variable piece. A literal piece behind a secret's path may be encoded,
// as any piece of that may.
func (rt route) match(path string, rq *request) bool {
	if base, sub, ok := strings.Cut(rt.pattern, pathMark); ok {
		rest, ok := strings.CutPrefix(path, base+"/")
		rq.rest = rest
		return ok && (sub == "" || endsIn(rest, sub[1:]))
	}
	if base, tail, ok := strings.Cut(rt.pattern, idMark); ok {
		rest, ok := strings.CutPrefix(path, base+"/")
		rest, ends := strings.CutSuffix(rest, tail)
		rq.rest = rest
		return ok && ends && !strings.Contains(rest, "/")
	}
	return path == rt.pattern
}

// endsIn reports whether the last piece of an escaped path is name, behind those of
// a secret.
func endsIn(escaped, name string) bool {
	if strings.Count(escaped, "/") < 2 {
		return false
	}
	last, err := url.PathUnescape(escaped[strings.LastIndexByte(escaped, '/')+1:])
	return err == nil && last == name
}

// open reports whether rt asks for no key.
func (rt route) open() bool {
	switch rt.name {
	case "health", "jwks", "openapi", "certificate", "claim", "vault.unseal":
		return true
	}
	return false
}

// values reports whether rt's answers are exports: long ones, of many values.
func (rt route) values() bool { return rt.name == "secret.export" }

// long reports whether rt may work for longer than requests have: it walks along the
// trail, at whatever length that has. None of these reads a body.
func (rt route) long() bool {
	switch rt.name {
	case "audit", "audit.export", "audit.follow", "audit.stats", "audit.verify", "audit.checkpoint":
		return true
	}
	return false
}

// sub is the literal piece behind the path of a secret, or "".
func (rt route) sub() string {
	_, sub, _ := strings.Cut(rt.pattern, pathMark)
	return strings.TrimPrefix(sub, "/")
}

// id is the one piece that a pattern has as "/{id}", decoded once. Such a route
// takes no query.
func (rq *request) id() (string, error) {
	if _, err := rq.query(); err != nil {
		return "", err
	}
	return rq.pathID()
}

// pathID is that piece, whatever the query.
func (rq *request) pathID() (string, error) {
	id, err := url.PathUnescape(rq.rest)
	if err != nil || id == "" || len(id) > maxSegment || strings.ContainsFunc(id, notInName) {
		return "", api.New(api.CodeValidation, "id: 1 to 128 characters of A-Z a-z 0-9 _ . - are expected in the path")
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
