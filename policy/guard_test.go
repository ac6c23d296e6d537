package policy_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/agent-secret-store/assd/policy"
)

// TestGuards says the table once more, the other way round: an act that moves
// has to be moved here too.
func TestGuards(t *testing.T) {
	want := map[policy.Guard]string{
		{StepUp: policy.StepUpNever, InLockdown: true}: "agent.list agent.revoke approval.deny approval.get approval.list approval.revoke audit audit.checkpoint audit.export audit.follow audit.stats audit.verify certificate " +
			"claim health jwks me openapi owner.list passphrase.try policy.check policy.get token.list token.revoke vault.compact vault.doctor vault.lockdown vault.seal vault.slot_list vault.status vault.unseal webhook.list webhook.test",
		{StepUp: policy.StepUpNever}:                    "namespaces secret.history secret.list",
		{StepUp: policy.StepUpAlways, InLockdown: true}: "audit.rotate_key kek.rotate owner.revoke vault.backup vault.backup.get vault.lift vault.slot_remove",
		{StepUp: policy.StepUpAlways}:                   "agent.create approval.approve owner.create passphrase.set policy.accept vault.slot_add",
		{StepUp: policy.StepUpByTier}:                   "secret.delete secret.export secret.get secret.import secret.put secret.rollback secret.rotate token.issue",
	}
	got := map[policy.Guard][]string{}
	for _, act := range policy.GuardedActs() {
		g, ok := policy.GuardOf(act)
		if !ok {
			t.Errorf("%s is listed and has no guard", act)
		}
		got[g] = append(got[g], act)
	}
	for g, acts := range got {
		if strings.Join(acts, " ") != want[g] {
			t.Errorf("guarded by %+v: %q; want %q", g, acts, want[g])
		}
	}
	if len(got) != len(want) || !slices.IsSorted(policy.GuardedActs()) {
		t.Errorf("%d kinds of guards, in order %v", len(got), slices.IsSorted(policy.GuardedActs()))
	}
	if g, ok := policy.GuardOf("secret.steal"); ok || g.StepUp != policy.StepUpAlways || g.InLockdown {
		t.Errorf("an unknown act is guarded by %+v, %v", g, ok)
	}
}
