package audit

import (
	"slices"
	"strings"
)

// actions are all that an event can be of, besides their refusals. A test holds the
// list against the constants.
var actions = []Action{
	VaultInit, VaultRestore, VaultBackup, BackupFailed, VaultLockdown, VaultLift, VaultSeal, VaultUnseal,
	VaultSlotAdd, VaultSlotRemove, VaultSlotList, VaultStatus, VaultCompact, KEKRotate, RootRotate,
	OwnerCreate, OwnerRevoke, OwnerRecover, OwnerList,
	AgentCreate, AgentRevoke, AgentList,
	TokenCreate, TokenRevoke, TokenList,
	SecretRead, SecretWrite, SecretDelete, SecretRotate, SecretRotationStart, SecretRotationFailed, SecretRotationPending, SecretList, SecretImport, SecretReseal,
	SecretExpiring, SecretExpire, SecretRollback, SecretHistory, SecretExport,
	AuthFailed, AuthLogin, StepUpFailed, PassphraseSet,
	ApprovalRequest, ApprovalApprove, ApprovalDeny, ApprovalExpire, ApprovalList, ApprovalRevoke,
	PolicyReload, PolicyRead, PolicyCheck, ConfigReload,
	AuditRead, AuditRotateKey, MeRead,
	CheckpointFailed,
	WebhookConfigure, WebhookDelivered, WebhookFailed, WebhookTest, WebhookList, VaultDoctor,
}

// toCome are actions that nothing writes yet: whoever asks for them is told that there
// are no such events, and not that there is no such action.
var toCome = []Action{}

// Actions returns all actions, sorted; each has a refusal, [Action.Denied], too.
func Actions() []Action {
	all := slices.Clone(actions)
	slices.Sort(all)
	return all
}

// Room is what a begins with, up to its first dot: "secret".
func (a Action) Room() string {
	room, _, _ := strings.Cut(string(a), ".")
	return room
}
