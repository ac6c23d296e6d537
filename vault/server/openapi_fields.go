package server

import (
	"maps"

	"github.com/agent-secret-store/assd/policy"
	"github.com/agent-secret-store/assd/vault/api"
)

// fieldDoc says what a field means, and what its Go type does not say of it.
type fieldDoc struct {
	text  string
	rules []rule
}

func says(text string, rules ...rule) fieldDoc { return fieldDoc{text, rules} }

// typeDocs describe the wire types by their names.
var typeDocs = map[string]string{
	"Health":           "How the daemon is.",
	"Me":               "The holder of the key that was sent, and what it can reach.",
	"TokenRequest":     "What a token is to be good for.",
	"TokenResponse":    "A token, shown once.",
	"TokenWaits":       "That an owner has to approve first. Ask again then.",
	"Token":            "A live token, without its text.",
	"Tokens":           "The live tokens, newest first.",
	"Secret":           "A secret with its value.",
	"SecretInfo":       "A secret without its value.",
	"SecretList":       "The secrets directly in a namespace, or in the whole vault, that the caller may see. Never values.",
	"SecretWrite":      "The next version of a secret.",
	"SecretRotate":     "The next value, under either name, or neither to have it made.",
	"SecretRotation":   "A secret without its value, and what has come of a rotation.",
	"FailedRotation":   "A secret that its rotator could not rotate when it was last tried.",
	"SecretVersion":    "A kept version of a secret, without its value.",
	"SecretVersions":   "The kept versions of a secret.",
	"SecretRollback":   "Which version's value becomes the next one.",
	"ImportRequest":    "A dotenv text to be stored, all of it or nothing.",
	"ImportResponse":   "What an import did, or would do.",
	"ImportState":      "What an import would do to one secret.",
	"ExportRequest":    "What is to be exported.",
	"Export":           "Secrets with their values, by namespace in the order of the request, then by key.",
	"Namespace":        "A namespace that holds a secret which the caller may see.",
	"Namespaces":       "The namespaces, in the order of their names.",
	"AgentCreate":      "An agent to be made.",
	"Agent":            "An agent, never its key.",
	"AgentCreated":     "A new agent, with its key, which is shown only here.",
	"Agents":           "The living agents, oldest first.",
	"Approval":         "A request that waits for an owner, or waited: exactly these acts on exactly these things. Nothing in it is the asker's own words but `claimed_reason`.",
	"Process":          "What the system told of a process when it asked. A program can forge all of it.",
	"Approvals":        "The approvals, newest first.",
	"ApprovalDecision": "Why an owner decides so, and on what.",
	"Owner":            "A person who owns the vault, never the key.",
	"OwnerCreate":      "An owner to be made.",
	"OwnerCreated":     "A new owner, with the key and the first passphrase, which are shown only here.",
	"OwnerRevoke":      "What goes with the end of an owner.",
	"Owners":           "The living owners, oldest first.",
	"Lockdown":         "Whether the vault is locked down.",
	"LockdownRequest":  "Why it is locked down.",
	"LiftRequest":      "Why a lockdown is lifted.",
	"Slot":             "A secret that opens the vault: its kind, never the secret.",
	"SlotCost":         "What a try of the secret costs: Argon2id (RFC 9106).",
	"Slots":            "The slots, oldest first.",
	"SlotAdd":          "A slot to be added.",
	"SlotRemove":       "What goes with the end of a slot.",
	"SlotRemoved":      "The slot that is gone, and what is left.",
	"SealRequest":      "Why the vault is sealed.",
	"Sealing":          "The vault is sealed.",
	"UnsealRequest":    "What the sealed vault is to be opened with.",
	"Unsealed":         "The vault is open, and how it was opened.",
	"Protection":       "What guards the vault beside its keys.",
	"RecoveredOwner":   "An owner who got a new key offline.",
	"PassphraseChange": "The old passphrase and the new one.",
	"OperatorFile":     "How a file of the operator stands. What counts is the text that was accepted last.",
	"OperatorFiles":    "The files: `policy.toml`, then `assd.toml`.",
	"PolicyAccept":     "Which text is to be put in force.",
	"PolicyCheck":      "What the policy, and everything else that decides, says to a scope.",
	"CheckpointPlace":  "A place that checkpoints of the trail are sent to.",
	"Webhook":          "A receiver of events. What it is sent is signed, and never holds a value.",
	"Webhooks":         "The webhooks.",
	"WebhookTest":      "What came of a test.",
	"ClaimRequest":     "How the vault is to begin.",
	"Certificate":      "What the daemon shows on TLS.",
	"Claim":            "The first owner and its key, which is shown only here.",
	"AuditEvent":       "An event of the trail.",
	"AuditPage":        "A page of the trail, newest first.",
	"AuditStats":       "Events counted over a time.",
	"AuditBucket":      "What came in one piece of the time.",
	"AuditActor":       "How much somebody did.",
	"AuditPath":        "How much was done to a secret.",
	"AuditReads":       "How often somebody read a secret.",
	"AuditDenials":     "How often somebody was denied something.",
	"AuditOthers":      "What was counted and is in no row of a table.",
	"AuditLine":        "An event in an export, with its place in the chain.",
	"Checkpoint":       "The newest signed head of the trail.",
	"Rotation":         "An event that names another signing key, and the proof that it follows the one before it.",
	"TrailCheck":       "What a check of the whole vault has found.",
	"KeyRotation":      "Another signing key.",
	"KeyRotated":       "The key that signs the trail from now on.",
	"AuditHead":        "A signature of the head that an event in an export is.",
	"JWKS":             "A JSON Web Key Set (RFC 7517) with the Ed25519 keys that sign tokens.",
	"ErrorBody":        "How an error travels.",
	"Error":            "What went wrong. It never holds a value, a key or a token.",
}

// fieldDocs describe the fields of the wire types, by type and name on the wire.
var fieldDocs = func() map[string]fieldDoc {
	all := map[string]fieldDoc{}
	for _, table := range []map[string]fieldDoc{identityFields, tokenFields, secretFields, importFields, approvalFields, ownerFields, policyFields, webhookFields, auditFields, otherFields} {
		maps.Copy(all, table)
	}
	return all
}()

var identityFields = map[string]fieldDoc{
	"Me.id":                  says("The random id of the owner or agent."),
	"Me.email":               says("Always empty: a vault of one's own needs none."),
	"Me.name":                says("Its name.", isName),
	"Me.plan":                says("There is one plan.", always("self-hosted")),
	"Me.subscription_status": says("There is no billing.", always("active")),
	"Me.has_subscription":    says("There is no billing.", always(true)),
	"Me.secret_count":        says("How many secrets the caller can reach.", from(0)),
	"Me.agent_count":         says("How many living agents there are; for an agent 1, itself.", from(0)),
	"Me.namespace_count":     says("How many namespaces hold a secret that the caller can reach.", from(0)),
	"Me.tenant":              says("The id of this vault.", idOf("ten")),
	"Me.kind":                says("Whether a person or an agent.", isKind),
	"Me.chain":               says("How the check of the whole audit chain stands: `running`, `ok`, or what is broken. For owners only."),
	"Me.verify_key":          says("The key that signs the heads of the audit chain: `ed25519:` and base64. Compare it with the one kept at login.", matching("^ed25519:")),

	"Me.lockdown":   says("Whether the vault is locked down."),
	"Me.protection": says("What guards the vault beside its keys. For owners only."),

	"AgentCreate.passphrase":         says(passphraseText),
	"AgentCreate.name":               says("Unique among the living regardless of case; never of the form of an id.", isName),
	"AgentCreate.description":        says("For people; at most 1024 bytes.", longest(api.MaxDescription)),
	"AgentCreate.allowed_namespaces": says("The namespaces that the agent may reach, each with all below it, or `*`. Absent or empty: every namespace.", atMost(policy.MaxReachNamespaces), each(matching(reachPattern))),
	"AgentCreate.allowed_scopes":     says("What the agent may do. Absent or empty: `secrets:read:*`.", atMost(policy.MaxScopes), each(matching(scopePattern))),

	"Agent.id":                 says("Random and never used again.", idOf("agt")),
	"Agent.name":               says("Its name.", isName),
	"Agent.description":        says("For people."),
	"Agent.api_key_prefix":     says("How its key begins, to tell keys apart."),
	"Agent.allowed_namespaces": says("The namespaces that it may reach, each with all below it; `*` is all.", each(matching(reachPattern))),
	"Agent.allowed_scopes":     says("What it may do.", each(matching(scopePattern))),
	"Agent.active":             says("False once revoked."),
	"Agent.created_at":         says("When it was made."),
	"Agent.last_active_at":     says("When its key or a token of it was last used, as far as this run of the daemon knows."),
	"AgentCreated.api_key":     says("The key of the agent. Only a hash of it is kept.", matching("^"+api.AgentKeyPrefix)),
	"Agents.items":             says("The agents."),

	"ClaimRequest.passphrase": says("To be the approval passphrase, from 8 characters to 1024 bytes. Absent: the vault has none."),

	"Claim.recovery_passphrase": says("Opens what the approval passphrase opens, when that is lost. Keep it elsewhere. Absent without one."),

	"Claim.owner_key":  says("The key of the owner. Only a hash of it is kept.", matching("^"+api.OwnerKeyPrefix)),
	"Claim.owner_id":   says("The random id of the owner.", idOf("own")),
	"Claim.name":       says("The owner's name, that of the operating system's user.", isName),
	"Claim.tenant":     says("The id of this vault.", idOf("ten")),
	"Claim.verify_key": says("The key that signs the heads of the audit chain: `ed25519:` and base64. Keep it.", matching("^ed25519:")),
}

var tokenFields = map[string]fieldDoc{
	"TokenRequest.scopes": says("What the token may do: `secrets:{read|write|delete|rotate|*}:{path or pattern}`, `namespaces:read`, or a short form like `read:secrets`, "+
		"which means the action wherever the caller may do it. In a pattern, `*` that is a whole last segment covers all below; inside a segment it stays inside it. "+
		"A scope beyond the caller's reach is refused, never narrowed. At most 4096 bytes together.", notEmpty, atMost(policy.MaxScopes), each(matching(scopePattern))),
	"TokenRequest.ttl":          says("How long the token lives: a whole number with a unit, `90s`, `15m`, `1h`, `7d`, or a number of seconds. Absent: 15 minutes. At most 168 hours."),
	"TokenRequest.max_uses":     says("How often the token may be used. Absent: no limit.", from(1), upTo(api.MaxUses)),
	"TokenRequest.ip_allowlist": says("Where the token may be used: addresses, networks like `10.0.0.0/8`, or `local` for the Unix socket. Absent or empty: anywhere.", atMost(api.MaxSources)),

	"TokenRequest.reason": says("Why, in the words of the agent that asks. An owner who has to approve is shown it, as what the agent says: in one line, " +
		"without invisible characters, cut to 300 characters. Else nobody reads it."),
	"TokenRequest.passphrase": says("The approval passphrase of the owner who asks. Each scope then names one act on one secret, and the token is good for each once, for at most a minute."),

	"TokenResponse.token":      says("The token, a JWT signed with Ed25519. It is shown once."),
	"TokenResponse.token_id":   says("Its id, as in listings and in the audit trail.", idOf("tok")),
	"TokenResponse.expires_at": says("When it ends."),
	"TokenResponse.scopes":     says("The scopes as they were asked for.", each(matching(scopePattern))),
	"TokenResponse.agent_id":   says("The random id of the agent or owner that the token acts for."),

	"TokenWaits.requires_approval": says("That no token was made.", always(true)),
	"TokenWaits.approval_id":       says("The approval that is waited for.", isApproval),
	"TokenWaits.message":           says("Why, for people."),
	"TokenWaits.hint":              says("What to do next, for people."),
	"TokenWaits.opens_at":          says("When an approval begins that has been given already; else null."),
	"TokenWaits.scopes":            says("The scopes as they were asked for.", each(matching(scopePattern))),

	"Token.id":           says("Its id.", idOf("tok")),
	"Token.agent_id":     says("The random id of the agent or owner that it acts for."),
	"Token.agent_name":   says("The name of that agent or owner.", isName),
	"Token.scopes":       says("What it may do.", each(matching(scopePattern))),
	"Token.uses":         says("How often it was used; counted only where there is a limit.", from(0)),
	"Token.max_uses":     says("How often it may be used; null for no limit.", from(1)),
	"Token.ip_allowlist": says("Where it may be used; empty for anywhere."),
	"Token.created_at":   says("When it was made."),
	"Token.expires_at":   says("When it ends."),
	"Tokens.items":       says("The tokens."),
}

var secretFields = map[string]fieldDoc{
	"SecretInfo.id":               says("Random; another once the secret was deleted and made again.", idOf("sec")),
	"SecretInfo.namespace":        says("All segments of its path but the last.", isNamespace),
	"SecretInfo.key":              says("The last segment of its path.", isKey),
	"SecretInfo.version":          says("Counted from 1 for each path, and on after a deletion.", from(1)),
	"SecretInfo.secret_type":      says("What it is used for. It decides nothing.", isSecretType),
	"SecretInfo.access_tier":      says("What an agent needs besides its scopes: nothing, an owner's approval to read, or one to read and to change.", isTier),
	"SecretInfo.metadata":         says("What was stored with the value, encrypted as it is; null in listings, in the answer to a rotate, which keeps it, and where there is none.", orNull),
	"SecretInfo.created_at":       says("When the secret was made."),
	"SecretInfo.updated_at":       says("When this version was stored."),
	"SecretInfo.rotation_pending": says("That somebody has asked for a new value that no one has stored yet."),
	"SecretInfo.expires_at":       says("When the version expires. Then the secret is `SECRET_NOT_FOUND` for agents, with all its versions; an owner sees it marked. Null: never."),
	"SecretInfo.expired":          says("Whether it has expired; only owners are told."),
	"Secret.value":                says("The value, as it was stored.", longest(api.MaxValue)),
	"SecretList.namespace":        says("The namespace asked for; empty for the whole vault.", longest(policy.MaxNamespace)),
	"SecretList.items":            says("The secrets, in the order of their paths."),

	"SecretWrite.value":       says("The value; it may be empty. At most 1 MiB of UTF-8.", longest(api.MaxValue)),
	"SecretWrite.secret_type": says("What it is used for. Absent: it keeps its type; `custom` when new.", isSecretType),
	"SecretWrite.access_tier": says("The tier. Absent or lower: it keeps its tier, and the answer shows it; `standard` when new.", isTier),
	"SecretWrite.metadata":    says("Anything to be kept with the value, encrypted as it is. At most 16 KiB of JSON; an object or null."),
	"SecretWrite.lower_tier":  says("That `access_tier` is meant although it is below the tier in force. For owners only.", absent(false)),
	"SecretWrite.expires_at":  says("When this value expires. Absent: never, whenever the one before did."),

	"SecretVersion.version":         says("Its number.", from(1)),
	"SecretVersion.created_at":      says("When it was stored."),
	"SecretVersion.created_by":      says("The name of the agent or owner who stored it; `assd` for the daemon.", isName),
	"SecretVersion.created_by_kind": says("What that is.", oneOf(api.KindOwner, api.KindAgent, "daemon")),
	"SecretVersion.current":         says("Whether it is the current one."),
	"SecretVersion.replaced_at":     says("When another one took its place; null for the current one."),
	"SecretVersion.expires_at":      says("When it expires; null: never."),
	"SecretVersion.expired":         says("Whether it has expired; only owners are told."),
	"SecretVersions.namespace":      says("All segments of the secret's path but the last.", isNamespace),
	"SecretVersions.key":            says("The last segment of its path.", isKey),
	"SecretVersions.items":          says("The versions, newest first."),

	"SecretRollback.version": says("The number of a kept version, not the current one.", from(1)),

	"SecretRotate.value":     says("The next value. At most 1 MiB of UTF-8. To send one needs the scope to write.", longest(api.MaxValue)),
	"SecretRotate.new_value": says("The same under another name; give one of the two.", longest(api.MaxValue)),

	"SecretRotation.status": says("There is a new version, `stored`; nothing makes one, and it is `pending`; or its rotator's command is `running`.", oneOf(api.RotationStored, api.RotationPending, api.RotationRunning)),

	"Namespace.name":         says("Its name.", isNamespace),
	"Namespace.namespace":    says("The same, under the name that listings use.", isNamespace),
	"Namespace.secret_count": says("How many secrets directly in it the caller may see.", from(1)),
	"Namespaces.items":       says("The namespaces."),
}

var importFields = map[string]fieldDoc{
	"ImportRequest.namespace":   says("Where the secrets go.", isNamespace),
	"ImportRequest.content":     says("The dotenv text, at most 16 MiB, and 50,000 names of an owner's, 10,000 of an agent's. `$` is literal, a name that comes twice an error.", longest(api.MaxImport)),
	"ImportRequest.secret_type": says("The type of all of them, as in a write.", isSecretType),
	"ImportRequest.access_tier": says("The tier of all of them, as in a write.", isTier),
	"ImportRequest.metadata":    says("What is kept with each of them, as in a write."),
	"ImportRequest.overwrite":   says("Whether a secret that exists gets a new version; false passes it over.", absent(true)),
	"ImportRequest.dry_run":     says("Only to say what would be done.", absent(false)),
	"ImportRequest.reason":      says(claimText),

	"ImportResponse.namespace":      says("Where the secrets went.", isNamespace),
	"ImportResponse.imported":       says("The keys that were stored, in the order of the text.", each(isKey)),
	"ImportResponse.imported_count": says("How many they are.", from(0)),
	"ImportResponse.keys":           says("The same keys, under the name that other clients read.", each(isKey)),
	"ImportResponse.skipped":        says("How many existed and were not to be overwritten.", from(0)),
	"ImportResponse.dry_run":        says("Whether nothing was changed because nothing was to be."),

	"ImportResponse.states": says("Of a dry run: what would become of each, in the order of the text. Absent otherwise."),
	"ImportState.key":       says("The key.", isKey),
	"ImportState.state": says("Whether it would be made, get another value or the one that it has. That is told of a secret only to a caller who may read it now, and is a read in the trail; "+
		"else it `exists`, as one does that is not to be overwritten.", oneOf(api.ImportNew, api.ImportChanged, api.ImportUnchanged, api.ImportExists)),

	"ExportRequest.namespaces": says("The namespaces, 1 to 64, each once. What is in namespaces below them is not meant.", notEmpty, atMost(64), each(isNamespace)),
	"ExportRequest.keys":       says("Only the secrets of these keys, each at least in one of the namespaces. Absent: all.", notEmpty, atMost(10_000), each(isKey)),
	"ExportRequest.purpose":    says("Where the values go: out of the vault for good, or into the environment of one process.", oneOf(api.ForExport, api.ForRun), absent(api.ForExport)),
	"ExportRequest.reason":     says(claimText),
	"Export.items":             says("The secrets.", notEmpty),
}

// claimText describes a field with the words of an agent.
const claimText = "Of an agent: why it asks. It is shown to the owner as what the agent says, which nobody has checked; what is over 300 characters is cut."

// passphraseText describes a field that takes the caller's own passphrase.
const passphraseText = "The approval passphrase of the owner who asks; it is taken only where there is one."

var approvalFields = map[string]fieldDoc{
	"Approval.id":          says("Its id.", isApproval),
	"Approval.agent_id":    says("The name of the agent or owner that asks, as in the audit trail.", isName),
	"Approval.actor_id":    says("The random id of that agent or owner.", isHolder),
	"Approval.status":      says("How it stands. `expired` is one that nobody answered in time, and one that a lockdown or the end of the process has ended.", isStatus),
	"Approval.access_tier": says("The highest tier among the secrets; `critical` for an act of owners.", isTier),
	"Approval.requested_scopes": says("What is asked for, as `secrets:ACTION:PATH`, one secret each, never a pattern; of an owner `owner.create:NAME`, `owner.revoke:NAME` or "+
		"`policy.accept:sha256:…`.", notEmpty, each(matching(askedPattern))),
	"Approval.digest":           says("Of all that is asked for. An approver may send it back, to decide on what was shown and nothing else.", matching(digestPattern)),
	"Approval.source":           says("Where it was asked from: `local uid 1000 pid 4242`, or an address."),
	"Approval.reason":           says("The owner's, once decided."),
	"Approval.decided_by":       says("The name of the owner who decided; of several, the last."),
	"Approval.created_at":       says("When it was asked for."),
	"Approval.expires_at":       says("When the request ends; once approved, when that which it opens ends."),
	"Approval.approved_at":      says("When it was approved, by the last who had to."),
	"Approval.denied_at":        says("When it was denied."),
	"Approval.revoked_at":       says("When an owner ended what was approved."),
	"Approval.opens_at":         says("Once approved: when that which it opens begins."),
	"Approval.ttl":              says("How long a token that was asked for was to live; null when a key acted, or an older token.", orNull),
	"Approval.max_uses":         says("How often all that is asked for together may be used once approved; absent for no limit.", from(1)),
	"Approval.ip_allowlist":     says("Where it may be used from; empty for anywhere."),
	"Approval.requester_kind":   says("Who asks: an agent, or an owner for an act that takes two.", isKind),
	"Approval.because":          says("Why a person has to agree."),
	"Approval.approvals_needed": says("How many different owners have to agree.", from(1)),
	"Approval.approved_by":      says("The names of those who have.", each(isName)),
	"Approval.process": says("The process that asked over the Unix socket, then its parents: hints, which a program can forge. Empty over TLS, "+
		"and where nothing could be learned.", atMost(maxAncestry)),
	"Approval.claimed_reason": says("Why, in the words of the agent that asks, which nobody has checked: one line of at most 300 characters and `…`.", longest(api.MaxClaim+1)),
	"Process.pid":             says("Its id.", from(1)),
	"Process.name":            says("What it calls itself."),
	"Process.exe":             says("Its program file; empty where that cannot be read."),
	"Process.started_at":      says("When it was started."),
	"Approval.opens_for":      says("While it waits: how long an approval would be open; else null.", orNull),
	"Approvals.items":         says("The approvals."),
	"Approvals.cursor":        says("Stands for just this list. Sent back with a `wait`, the answer comes when the list is another one.", matching("^[0-9a-f]{32}$")),

	"ApprovalDecision.reason":     says("Why, in one line, for the trail and for the agent. At most 1024 bytes.", longest(api.MaxReason)),
	"ApprovalDecision.digest":     says("The digest that was shown. `CONFLICT` when it is not that of what is asked for. With a passphrase it has to be there."),
	"ApprovalDecision.passphrase": says("The approval passphrase of the owner who approves. To deny or to revoke takes none."),
}

var ownerFields = map[string]fieldDoc{
	"Owner.id":             says("Random and never used again.", idOf("own")),
	"Owner.name":           says("The owner's name.", isName),
	"Owner.api_key_prefix": says("How the key begins, to tell keys apart."),
	"Owner.has_passphrase": says("Whether this owner has an approval passphrase."),
	"Owner.created_at":     says("When the owner was made."),
	"Owner.last_active_at": says("When the key or a token of it was last used, as far as this run of the daemon knows."),
	"Owners.items":         says("The owners."),

	"OwnerCreate.name":       says("Unique among the living regardless of case; never of the form of an id.", isName),
	"OwnerCreate.passphrase": says(passphraseText),
	"OwnerRevoke.passphrase": says(passphraseText),

	"OwnerCreated.api_key":            says("The key of the owner. Only a hash of it is kept.", matching("^"+api.OwnerKeyPrefix)),
	"OwnerCreated.initial_passphrase": says("What the new owner changes at `/v1/vault/passphrase`; null where there is no approval passphrase."),

	"PassphraseChange.passphrase":     says("The old one."),
	"PassphraseChange.new_passphrase": says("The new one, from 8 characters to 1024 bytes.", notEmpty),

	"Lockdown.locked": says("Whether it is locked down."),
	"Lockdown.since":  says("Since when."),
	"Lockdown.by":     says("The name of the owner or agent who locked it down; empty when it is not."),
	"Lockdown.reason": says("Why; empty when it is not, or nothing was said."),

	"LockdownRequest.reason": says("Why, in one line, for the trail. At most 1024 bytes.", longest(api.MaxReason)),
	"LiftRequest.reason":     says("Why, in one line, for the trail. At most 1024 bytes.", longest(api.MaxReason)),
	"LiftRequest.passphrase": says(passphraseText),

	"Slot.id":                  says("Random and never used again.", idOf("slt")),
	"Slot.kind":                says("What the secret is.", isSlotKind),
	"Slot.added_at":            says("When it was added, or the vault was made with it."),
	"Slot.added_by":            says("The name of the owner who added it; null: it was made with the vault."),
	"Slot.argon2":              says("What a try costs; absent where the secret is random."),
	"Slot.opened":              says("Whether it opened the vault that is served now."),
	"SlotCost.memory_kib":      says("Memory in KiB.", from(1)),
	"SlotCost.time":            says("Passes.", from(1)),
	"SlotCost.threads":         says("Lanes.", from(1)),
	"Slots.items":              says("The slots."),
	"SlotAdd.kind":             says("What the secret is.", isSlotKind),
	"SlotAdd.key":              says("For file and keyring: a random key as a key file has it, one line with its newline.", matching("^assd-key-1:[A-Za-z0-9_-]{43}\n$")),
	"SlotAdd.new_passphrase":   says("For passphrase: from 8 characters to 1024 bytes.", notEmpty),
	"SlotAdd.passphrase":       says(passphraseText),
	"SlotRemove.passphrase":    says(passphraseText),
	"SlotRemoved.id":           says("The slot that is gone.", idOf("slt")),
	"SlotRemoved.kind":         says("What its secret was.", isSlotKind),
	"SlotRemoved.left":         says("The kinds of those that are left.", each(isSlotKind)),
	"SealRequest.reason":       says("Why, in one line, for the trail. At most 1024 bytes.", longest(api.MaxReason)),
	"Sealing.sealed":           says("Always true."),
	"UnsealRequest.passphrase": says("A passphrase of the vault; without one, what the daemon was told to open it with is tried again."),
	"Unsealed.sealed":          says("Always false."),
	"Unsealed.slot":            says("The id of the slot that opened the vault; empty where it was open already."),
	"Unsealed.failed_tries":    says("How many wrong passphrases were tried while it was sealed.", from(0)),

	"Protection.passphrase_set":    says("Whether the vault has an approval passphrase."),
	"Protection.own_passphrase":    says("Whether the caller has one."),
	"Protection.confined":          says("Whether the daemon is confined to the folders that it uses.", oneOf(api.ConfinedFull, api.ConfinedPartial, api.ConfinedNone)),
	"Protection.confined_lacks":    says("What of that could not be had, and why."),
	"Protection.runs_as_root":      says("Whether the daemon runs as root."),
	"Protection.recovered_owners":  says("The owners who got a new key offline, with `assd recover-owner`, in the last 30 days."),
	"RecoveredOwner.name":          says("The owner's name.", isName),
	"RecoveredOwner.at":            says("When."),
	"Protection.owners":            says("How many living owners there are.", from(1)),
	"Protection.pending_approvals": says("How many requests wait for an owner.", from(0)),
	"Protection.policy":            says("How `policy.toml` stands.", isFileState),
	"Protection.policy_rules":      says("How many rules are in force.", from(0)),
	"Protection.policy_problem":    says("What is wrong with the file."),
	"Protection.config":            says("How `assd.toml` stands.", isFileState),
	"Protection.config_problem":    says("What is wrong with the file."),
	"Protection.webhooks":          says("The webhooks whose last try failed, or that were not told of all events of the last week."),
	"Protection.checkpoints":       says("The places that checkpoints of the trail are sent to."),
	"Protection.rotation_problem":  says("What keeps the commands of rotators from being run."),
	"Protection.failed_rotations":  says("The secrets that their rotators could not rotate when it was last tried."),
	"FailedRotation.namespace":     says("The secret's namespace.", isNamespace),
	"FailedRotation.key":           says("Its key.", isKey),
	"FailedRotation.at":            says("When."),
	"FailedRotation.problem":       says("Why."),
}

var policyFields = map[string]fieldDoc{
	"OperatorFile.name":        says("The name of the file.", isFile),
	"OperatorFile.path":        says("Where the daemon looks for it; empty where it looks for none."),
	"OperatorFile.state":       says("`none` was ever accepted; the text `in force` is the file's; the file is `held` until an owner accepts it; or it cannot be used, a `problem`.", isFileState),
	"OperatorFile.problem":     says("What is wrong with the file. What was accepted last stays in force."),
	"OperatorFile.text":        says("The text in force; empty where there is none."),
	"OperatorFile.digest":      says("The digest of it: `sha256:` and the SHA-256 in hexadecimal; empty where there is none.", matching(maybeDigestPattern)),
	"OperatorFile.accepted_at": says("When it was accepted."),
	"OperatorFile.accepted_by": says("The name of the owner who accepted it, or `assd` where no owner had to."),
	"OperatorFile.held_text":   says("The text that waits for an owner; empty where none does."),
	"OperatorFile.held_digest": says("The digest of it, to be sent to accept it.", matching(maybeDigestPattern)),
	"OperatorFiles.items":      says("The files."),

	"PolicyAccept.name":       says("The name of the file.", isFile),
	"PolicyAccept.digest":     says("The digest of the text that was shown."),
	"PolicyAccept.passphrase": says(passphraseText),

	"PolicyCheck.agent":            says("The name of the agent.", isName),
	"PolicyCheck.scope":            says("The scope, as it was sent.", matching(scopePattern)),
	"PolicyCheck.from":             says("Where from: an address, or `local`."),
	"PolicyCheck.effect":           says("What comes of it.", oneOf("allow", "deny", "approve")),
	"PolicyCheck.reason":           says("Why, in words."),
	"PolicyCheck.line":             says("The line in `policy.toml` of the rule that decided; absent where none did.", from(1)),
	"PolicyCheck.rule_text":        says("That rule as it stands in the file."),
	"PolicyCheck.tier":             says("The tier of the secret that the scope names; `standard` for one that there is not. Absent for a pattern.", isTier),
	"PolicyCheck.approvals_needed": says("How many different owners would have to agree.", from(1)),
}

var webhookFields = map[string]fieldDoc{
	"Webhook.name":            says("Its name, unique among them.", isName),
	"Webhook.origin":          says("Scheme, host and port of its URL."),
	"Webhook.events":          says("The actions that it is told of: one, or all that begin alike, as in `approval.*`; `*` is all."),
	"Webhook.state":           says("`failing` when the last try failed.", oneOf(api.WebhookOK, api.WebhookFailing)),
	"Webhook.pending":         says("How many events wait for it.", from(0)),
	"Webhook.oldest_pending":  says("When the first of them was."),
	"Webhook.last_delivered":  says("When it last took a message, as far as this run of the daemon knows."),
	"Webhook.last_failure_at": says("When it last did not, as far as this run of the daemon knows."),
	"Webhook.last_failure":    says("Why not; empty when nothing failed."),
	"Webhook.next_try":        says("While it is failing: when it is tried again."),
	"Webhook.lost":            says("How many events it was never told of, as far as the last of them was in the last week.", from(0)),
	"Webhook.lost_at":         says("When the last of them was given up."),
	"Webhook.lost_reason":     says("Why; empty when there are none."),
	"Webhooks.items":          says("The webhooks."),

	"CheckpointPlace.to":            says("A path, the origin of a URL, or `syslog` and which one."),
	"CheckpointPlace.every":         says("How often one is sent at most."),
	"CheckpointPlace.sent_at":       says("When the last one left, as far as this run of the daemon knows."),
	"CheckpointPlace.size":          says("How many events that one covers; 0 when none has left.", from(0)),
	"CheckpointPlace.failing_since": says("While it fails: since when."),
	"CheckpointPlace.failure":       says("Why."),
	"CheckpointPlace.next_try":      says("When it is tried again."),

	"WebhookTest.name":         says("The name of the webhook.", isName),
	"WebhookTest.origin":       says("Scheme, host and port of its URL."),
	"WebhookTest.delivered":    says("Whether it answered 2xx."),
	"WebhookTest.failure":      says("Why not; empty when it did."),
	"WebhookTest.milliseconds": says("How long it took.", from(0)),
}

var otherFields = map[string]fieldDoc{
	"Health.status":  says("`failed` once the store or the audit chain is broken.", oneOf("ok", "failed")),
	"Health.version": says("The version of assd."),
	"Health.service": says("Who answers.", always("assd")),
	"Health.sealed":  says("Whether the vault is sealed."),

	"Certificate.certificate": says("The certificate, as PEM."),
	"Certificate.fingerprint": says("Of its public key, as `--fingerprint` takes it: `sha256:` and the SHA-256 of the SubjectPublicKeyInfo.", matching(digestPattern)),

	"JWKS.keys": says("The keys: `kty`, `crv`, `alg`, `use`, `kid`, `x`."),

	"Error.code":            says("What went wrong, for programs."),
	"Error.message":         says("What went wrong, for people."),
	"Error.hint":            says("What to do or to type next."),
	"Error.details":         says("More for programs: `approval_id` of an approval that is waited for, and `opens_at` when it has been given and begins later."),
	"ErrorBody.error":       says("The error."),
	"ErrorBody.detail":      says("The message again, for clients that look here."),
	"ErrorBody.approval_id": says("The approval that is waited for, with `APPROVAL_REQUIRED`.", isApproval),
}
