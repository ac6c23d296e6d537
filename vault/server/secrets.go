package server

import (
	"strconv"

	"github.com/agent-secret-store/assd/policy"
	"github.com/agent-secret-store/assd/vault"
	"github.com/agent-secret-store/assd/vault/api"
)

// path is the rest of the URL, read once.
func (rq *request) path() (policy.RequestPath, error) {
	p, err := policy.ParseRequestPath(rq.rest)
	if err != nil {
		return p, bad("path: " + err.Error())
	}
	return p, nil
}

// secretPath is the rest of the URL where it must name a secret with this behind
// it, and no query may narrow what is done to it.
func (rq *request) secretPath(sub string) (policy.Path, error) {
	p, err := rq.path()
	if err != nil {
		return policy.Path{}, err
	}
	if _, err := rq.query(); err != nil {
		return policy.Path{}, err
	}
	if p.Sub != sub {
		return policy.Path{}, api.New(api.CodeNotFound, "there is no such route")
	}
	path, err := p.Secret()
	if err != nil {
		return policy.Path{}, bad("path: " + err.Error())
	}
	return path, nil
}

func (s *Server) listSecrets(rq *request) (any, error) {
	q, err := rq.query("namespace")
	if err != nil {
		return nil, err
	}
	var ns policy.Namespace
	if text, ok := q["namespace"]; ok {
		if ns, err = policy.ParseNamespace(text); err != nil {
			return nil, bad("namespace: " + err.Error())
		}
	}
	return s.list(rq, ns)
}

func (s *Server) list(rq *request, ns policy.Namespace) (any, error) {
	list, err := s.cfg.Vault.List(rq.ctx(), rq.who(), ns)
	if err != nil {
		return nil, err
	}
	return list, nil
}

// getSecret answers a secret or a listing: one piece as sent is a namespace.
func (s *Server) getSecret(rq *request) (any, error) {
	p, err := rq.path()
	if err != nil {
		return nil, err
	}
	if p.Sub != "" {
		return nil, api.New(api.CodeNotFound, "there is no such route")
	}
	q, err := rq.query("version")
	if err != nil {
		return nil, err
	}
	n, err := versionOf(q)
	if err != nil {
		return nil, err
	}
	if p.Pieces == 1 {
		if n != 0 {
			return nil, bad("version: this path is a namespace, which has none")
		}
		return s.list(rq, p.Namespace)
	}
	reading, list, err := s.cfg.Vault.Get(rq.ctx(), rq.who(), p, n)
	switch {
	case err != nil:
		return nil, err
	case list != nil:
		return list, nil
	}
	return reveal(reading), nil
}

// reveal is where a value leaves: its read event is durable.
func reveal(r *vault.Reading) api.Secret {
	defer r.Value.Wipe()
	return api.Secret{Value: string(r.Value.Reveal()), SecretInfo: r.SecretInfo}
}

func versionOf(q map[string]string) (uint64, error) {
	text, ok := q["version"]
	if !ok {
		return 0, nil
	}
	n, err := strconv.ParseUint(text, 10, 63)
	if err != nil || n == 0 {
		return 0, bad("version: a whole number from 1 is expected")
	}
	return n, nil
}

func (s *Server) putSecret(rq *request) (any, error) {
	p, err := rq.secretPath("")
	if err != nil {
		return nil, err
	}
	want, err := decode[api.SecretWrite](rq)
	if err != nil {
		return nil, err
	}
	return s.cfg.Vault.Put(rq.ctx(), rq.who(), p, want)
}

func (s *Server) deleteSecret(rq *request) (any, error) {
	p, err := rq.secretPath("")
	if err != nil {
		return nil, err
	}
	return nil, s.cfg.Vault.Delete(rq.ctx(), rq.who(), p)
}

func (s *Server) rotateSecret(rq *request) (any, error) {
	p, err := rq.secretPath(policy.SubRotate)
	if err != nil {
		return nil, err
	}
	want, err := decode[api.SecretRotate](rq)
	if err != nil {
		return nil, err
	}
	out, err := s.cfg.Vault.Rotate(rq.ctx(), rq.who(), p, want)
	if err == nil && out.Status == api.RotationRunning {
		return accepted{out}, nil
	}
	return out, err
}

func (s *Server) listVersions(rq *request) (any, error) {
	p, err := rq.secretPath(policy.SubVersions)
	if err != nil {
		return nil, err
	}
	return s.cfg.Vault.History(rq.ctx(), rq.who(), p)
}

func (s *Server) rollBack(rq *request) (any, error) {
	p, err := rq.secretPath(policy.SubRollback)
	if err != nil {
		return nil, err
	}
	want, err := decode[api.SecretRollback](rq)
	if err != nil {
		return nil, err
	}
	return s.cfg.Vault.Rollback(rq.ctx(), rq.who(), p, want)
}

func (s *Server) listNamespaces(rq *request) (any, error) {
	if _, err := rq.query(); err != nil {
		return nil, err
	}
	items, err := s.cfg.Vault.Namespaces(rq.ctx(), rq.who())
	return api.Namespaces{Items: items}, err
}
