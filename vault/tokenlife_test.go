package vault_test

import (
	"testing"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/policy"
)

// The verifier forgets tokens after audit.TokenLife; none may live longer.
func TestNoTokenOutlivesTheVerifier(t *testing.T) {
	if policy.MaxTTL > audit.TokenLife {
		t.Errorf("tokens live %v, the verifier follows them for %v", policy.MaxTTL, audit.TokenLife)
	}
}
