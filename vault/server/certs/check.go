package certs

import "github.com/agent-secret-store/assd/vault/api"

// Check says how the certificate in use stands in its life, for ass doctor.
func (k *Keeper) Check() api.Check {
	leaf := k.current.Load().chain[0]
	switch phaseOf(leaf, k.cfg.now()) {
	case over:
		return api.Problem("certificate", "the TLS certificate has expired at "+stamp(leaf.NotAfter), k.cfg.fix())
	case ending:
		return api.Problem("certificate", "the TLS certificate expires at "+stamp(leaf.NotAfter), k.cfg.fix())
	case early:
		return api.Problem("certificate", "the TLS certificate is not valid before "+stamp(leaf.NotBefore), k.cfg.fix())
	}
	return api.Fine("certificate", "the TLS certificate is good until "+stamp(leaf.NotAfter))
}
