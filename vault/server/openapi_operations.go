package server

import (
	"net/http"
	"reflect"
	"slices"
	"strings"

	"github.com/agent-secret-store/assd/policy"
	"github.com/agent-secret-store/assd/vault/api"
)

// operationDoc says of an operation what its route does not.
type operationDoc struct {
	tag, summary, text string
	id                 string // what "{id}" in its path is
	who                []string
	lists              bool // its path may be that of a namespace too
	query              []docParameter
	takes              reflect.Type // its body; nil: none
	gives              []success
	whileSealed        bool       // a sealed vault answers it as well
	streams            streamDoc  // what its 200 may be instead of JSON
	codes              []api.Code // in which it can end, besides those that all like it share
}

// streamDoc is a body that is no JSON document.
type streamDoc struct {
	lines []reflect.Type // of jsonl: each line is one of these
	plain []string       // types of a body that is text, or bytes

	headers map[string]docHeader // that come with it
}

// success is a way in which an operation can end well.
type success struct {
	status int
	text   string
	body   []reflect.Type // one of these; none: no body
}

// Who is let in: roles of the security scheme.
const (
	ownerKey = "owner_key"
	agentKey = "agent_key"
	anyToken = "token"
)

var (
	owners  = []string{ownerKey}
	agents  = []string{agentKey}
	keys    = []string{ownerKey, agentKey}
	holders = []string{anyToken, agentKey, ownerKey} // of a token, or of a key that stands for one
)

// shared are the codes in which all operations can end that let only some in. A
// token that a lockdown has ended is told so wherever it is sent.
var shared = []api.Code{
	api.CodeValidation, api.CodeUnauthorized, api.CodeScopeDenied, api.CodeLockedDown, api.CodeRateLimited, api.CodeStorageFull, api.CodeInternal,
}

// bodyCodes are those of all that take a body.
var bodyCodes = []api.Code{api.CodeValidation, api.CodeTooLarge}

// allCodes are all codes in which an operation of that guard can end.
func (doc operationDoc) allCodes(guard policy.Guard) []api.Code {
	all := slices.Clone(doc.codes)
	if !doc.whileSealed {
		all = append(all, api.CodeSealed)
	}
	if guard.StepUp != policy.StepUpNever {
		all = append(all, api.CodeStepUpRequired)
	}
	if !guard.InLockdown {
		all = append(all, api.CodeLockedDown)
	}
	if len(doc.who) > 0 {
		all = append(all, shared...)
	}
	if doc.takes != nil {
		all = append(all, bodyCodes...)
	}
	return all
}

// guardText says what a guard asks for.
func guardText(g policy.Guard) string {
	var says []string
	switch g.StepUp {
	case policy.StepUpAlways:
		says = append(says, "Where there is an approval passphrase, it has to come with the request.")
	case policy.StepUpByTier:
		says = append(says, "Where there is an approval passphrase, an owner needs it for what an agent needs an approval for.")
	}
	if g.InLockdown {
		says = append(says, "It goes on in a lockdown.")
	}
	return strings.Join(says, " ")
}

func typeOf[T any]() reflect.Type { return reflect.TypeFor[T]() }

// ok is status 200 with a T.
func ok[T any](text string) []success {
	return []success{{status: http.StatusOK, text: text, body: []reflect.Type{typeOf[T]()}}}
}

// noContent is status 204.
func noContent(text string) []success {
	return []success{{status: http.StatusNoContent, text: text}}
}

const backupText = "The state of one commit, whole and checked, once `vault.backup` is in the trail. The length is in `Content-Length`, the SHA-256 in `Repr-Digest`, " +
	"tenant, number of events, hash of the newest and the kinds of slots that open it in `" + api.BackupTenant + "`, `" + api.BackupEvents + "`, `" + api.BackupHead + "` and `" + api.BackupSlots + "`. " +
	"It needs room for a second data file on the daemon's disk. One is made at a time: one more is `RATE_LIMITED`. `assd restore` puts one back."

var docTags = []docTag{
	{"vault", "The daemon and the vault itself."},
	{"identity", "Who the caller is, the agents and the owners."},
	{"tokens", "Short-lived tokens of narrow scope, made from a key."},
	{"secrets", "Secrets and their namespaces. A key sent here stands for a one-use token of exactly this request's scope."},
	{"approvals", "What agents asked for, or owners where it takes two, and an owner has to decide on."},
	{"policy", "The files of the operator, and what they say."},
	{"webhooks", "Who is told of events, by signed messages (Standard Webhooks)."},
	{"audit", "The audit trail."},
}

// listingDoc names the documentation of the route that answers a secret, where
// its path is a namespace in one piece.
const listingDoc = "secret.list.namespace"

// operationDocs describe the operations, by the names of their routes.
var operationDocs = map[string]operationDoc{
	"health": {
		tag: "vault", summary: "How the daemon is",
		text:        "Answered with 200 whatever the state of the vault.",
		whileSealed: true,
		gives:       ok[api.Health]("The daemon answers."),
	},
	"openapi": {
		tag: "vault", summary: "This document",
		gives: []success{{status: http.StatusOK, text: "An OpenAPI 3.1 document.", body: []reflect.Type{typeOf[map[string]any]()}}},
		codes: []api.Code{api.CodeValidation, api.CodeInternal},
	},
	"jwks": {
		tag: "tokens", summary: "The public keys of the tokens",
		text:  "A valid signature says who made a token, not that it still counts: a token is a handle on a live record.",
		gives: ok[api.JWKS]("The keys."),
		codes: []api.Code{api.CodeInternal},
	},
	"certificate": {
		tag: "vault", summary: "What the daemon shows on TLS",
		text:  "For clients on other machines, to trust or to pin. `NOT_FOUND` when the daemon does not listen on TLS.",
		gives: ok[api.Certificate]("The certificate and its fingerprint."),
		codes: []api.Code{api.CodeValidation, api.CodeNotFound, api.CodeInternal},
	},
	"claim": {
		tag: "vault", summary: "Claim a new vault",
		text: "Gives the vault its first owner, once in its life, over the local socket, to the user that its data belongs to. " +
			"`CONFLICT` says when and by whom it was claimed. A passphrase that comes with it becomes the approval passphrase.",
		takes: typeOf[api.ClaimRequest](),
		gives: ok[api.Claim]("The vault is claimed. The key and the recovery passphrase are shown only here."),
		codes: []api.Code{api.CodeScopeDenied, api.CodeConflict, api.CodeRateLimited, api.CodeStorageFull, api.CodeInternal},
	},
	"me": {
		tag: "identity", summary: "Who the key belongs to", who: keys,
		gives: ok[api.Me]("The holder of the key."),
		codes: []api.Code{api.CodeConflict},
	},
	"token.issue": {
		tag: "tokens", summary: "Make a token", who: keys,
		text: "Within the reach of the key's holder. A scope that names one secret whose tier needs an owner's approval makes the answer 202: " +
			"ask again once it is approved. What such a refusal leaves in the trail is the refused act itself. " +
			"An owner who sends the approval passphrase gets a token for exactly the secrets that its scopes name, each usable once, for at most a minute.",
		takes: typeOf[api.TokenRequest](),
		gives: []success{
			{http.StatusOK, "The token, shown once.", []reflect.Type{typeOf[api.TokenResponse]()}},
			{http.StatusAccepted, "An owner has to approve first; there is no token yet.", []reflect.Type{typeOf[api.TokenWaits]()}},
		},
		codes: []api.Code{api.CodeConflict},
	},
	"token.list": {
		tag: "tokens", summary: "The live tokens", who: keys,
		text:  "An owner sees all, an agent its own; at most 10,000.",
		gives: ok[api.Tokens]("The tokens, never their text."),
		codes: []api.Code{api.CodeConflict},
	},
	"token.revoke": {
		tag: "tokens", summary: "End a token", who: keys, id: "The id of the token.",
		text:  "An owner ends any, an agent its own. It counts for requests that come a millisecond later.",
		gives: noContent("The token has ended."),
		codes: []api.Code{api.CodeNotFound},
	},
	"secret.list": {
		tag: "secrets", summary: "The secrets of a namespace, or of the vault", who: holders,
		query: []docParameter{query("namespace", "The namespace; absent: the whole vault.", "production/openai", text(isNamespace))},
		gives: ok[api.SecretList]("The secrets that the caller may see, without values."),
		codes: []api.Code{api.CodeConflict},
	},
	listingDoc: {
		tag: "secrets", summary: "The secrets of a namespace", who: holders,
		text:  "A path of one piece is a namespace; its slashes are encoded.",
		gives: ok[api.SecretList]("The secrets that the caller may see, without values."),
		codes: []api.Code{api.CodeConflict},
	},
	"secret.get": {
		tag: "secrets", summary: "A secret, or the secrets of a namespace", who: holders, lists: true,
		text: "Which of the two it is follows what the caller may see: the secret, when the caller's scope covers it and it exists; " +
			"else the listing of the namespace of that name, when the scope covers what is below it; else `SECRET_NOT_FOUND` when the path is covered " +
			"and `SCOPE_DENIED` when it is not. To list and nothing else, use `GET /v1/secrets?namespace=`. " +
			"The value leaves once its read event is durable. `NOT_FOUND` is for a sub-resource (`rotate`, `rollback`) that is not to be got.",
		query: []docParameter{query("version", "An older version, of those that are kept. Absent: the current one.", 1, count())},
		gives: []success{{http.StatusOK, "The secret with its value, or a listing without values.", []reflect.Type{typeOf[api.Secret](), typeOf[api.SecretList]()}}},
		codes: []api.Code{api.CodeApprovalRequired, api.CodeSecretNotFound, api.CodeNotFound, api.CodeConflict},
	},
	"secret.history": {
		tag: "secrets", summary: "The versions of a secret", who: holders,
		text: "Those that are kept: the newest 10, what was current in the last 7 days, and the newest that an owner wrote; at most 100. " +
			"It needs the scope to read, and no approval: there are no values in it.",
		gives: ok[api.SecretVersions]("The versions, newest first."),
		codes: []api.Code{api.CodeSecretNotFound, api.CodeConflict},
	},
	"secret.rollback": {
		tag: "secrets", summary: "Go back to an older version", who: holders,
		text: "Its value, with metadata and expiry, is stored anew as the next version; that is a write, and needs the scope for it. " +
			"`CONFLICT` for the current version and for one that has expired. The answer never holds the value. " +
			"Where there is an approval passphrase, only an owner who gives it can go back to what it protects.",
		takes: typeOf[api.SecretRollback](),
		gives: ok[api.SecretInfo]("The secret as it is now, without the value."),
		codes: []api.Code{api.CodeApprovalRequired, api.CodeSecretNotFound, api.CodeConflict},
	},
	"secret.put": {
		tag: "secrets", summary: "Store a secret, or its next version", who: holders,
		text:  "`CONFLICT` for an agent where 100 versions have to be kept.",
		takes: typeOf[api.SecretWrite](),
		gives: ok[api.SecretInfo]("What was stored, without the value, and with the tier in force."),
		codes: []api.Code{api.CodeApprovalRequired, api.CodeConflict},
	},
	"secret.delete": {
		tag: "secrets", summary: "Delete a secret with all its versions", who: holders,
		text:  "Who makes it again starts at its tier and goes on counting its versions.",
		gives: noContent("The secret is deleted."),
		codes: []api.Code{api.CodeApprovalRequired, api.CodeSecretNotFound, api.CodeConflict},
	},
	"secret.rotate": {
		tag: "secrets", summary: "Store the next value, or have it made", who: holders,
		text: "With a value, it is stored as the next version, which needs the scope to write. Without one its rotator makes it; " +
			"where the configuration has none, the secret is flagged as waiting for its next value. " +
			"A rotator that fails is `CONFLICT`: the old version stays the current one. The answer never holds the value.",
		takes: typeOf[api.SecretRotate](),
		gives: []success{
			{http.StatusOK, "The secret as it is now, without the value.", []reflect.Type{typeOf[api.SecretRotation]()}},
			{http.StatusAccepted, "Its rotator's command has not ended within 30 seconds. The value is stored when it does.", []reflect.Type{typeOf[api.SecretRotation]()}},
		},
		codes: []api.Code{api.CodeApprovalRequired, api.CodeSecretNotFound, api.CodeConflict},
	},
	"secret.import": {
		tag: "secrets", summary: "Store a dotenv text", who: holders,
		text:  "All of it in one transaction, or nothing.",
		takes: typeOf[api.ImportRequest](),
		gives: ok[api.ImportResponse]("What was stored, or would be."),
		codes: []api.Code{api.CodeApprovalRequired, api.CodeConflict},
	},
	"secret.export": {
		tag: "secrets", summary: "The values of many secrets", who: holders,
		text: "Of the secrets directly in each namespace that the caller may see, at most 10,000 and 16 MiB, of an agent 2,000 and 8 MiB. Each leaves a `secret.read` event, and the whole, unless it is for a process, " +
			"a `secret.export` event for each namespace; it is one use of a token. If one may not be read none leaves, and all that wait for an approval are asked for together. " +
			"`SECRET_NOT_FOUND` when a key is in none of the namespaces, or a namespace holds nothing that the caller may see.",
		takes: typeOf[api.ExportRequest](),
		gives: ok[api.Export]("The secrets with their values."),
		codes: []api.Code{api.CodeApprovalRequired, api.CodeSecretNotFound, api.CodeConflict},
	},
	"namespaces": {
		tag: "secrets", summary: "The namespaces", who: holders,
		text:  "A token needs the scope `namespaces:read`.",
		gives: ok[api.Namespaces]("The namespaces in which the caller may see a secret."),
		codes: []api.Code{api.CodeConflict},
	},
	"agent.list": {
		tag: "identity", summary: "The living agents", who: owners,
		gives: ok[api.Agents]("The agents."),
		codes: []api.Code{api.CodeConflict},
	},
	"agent.create": {
		tag: "identity", summary: "Make an agent", who: owners,
		takes: typeOf[api.AgentCreate](),
		gives: ok[api.AgentCreated]("The agent. Its key is shown only here."),
		codes: []api.Code{api.CodeConflict},
	},
	"agent.revoke": {
		tag: "identity", summary: "End an agent and all its tokens", who: owners, id: "The id of the agent, or its name in any case.",
		gives: noContent("The agent has ended."),
		codes: []api.Code{api.CodeNotFound},
	},
	"approval.list": {
		tag: "approvals", summary: "What was asked for", who: owners,
		text: "With `wait`, and the `cursor` of the list that is known, the answer comes when the list is another one, or the time is over. " +
			"Of one bearer 32 answers wait at a time: one more comes at once.",
		query: []docParameter{
			query("status", "Only those that stand so. Absent: all.", api.ApprovalPending, text(isStatus)),
			query("cursor", "The `cursor` of a list that this vault gave, for the same `status`. It does nothing without `wait`.", "9f86d081884c7d659a2feaa0c55ad015", text(notEmpty, longest(maxQuery))),
			waitQuery,
		},
		gives: ok[api.Approvals]("The newest 1,000 of them."),
		codes: []api.Code{api.CodeConflict},
	},
	"approval.approve": {
		tag: "approvals", summary: "Approve", who: owners, id: "The id of the approval.",
		text: "Where several owners have to agree, each does so once, and it is approved by the last of them. Nobody approves their own request. " +
			"`CONFLICT` when it is decided or expired already, when the digest is another, when the caller has approved it before, or when what was asked for is not what it was. " +
			"With a passphrase the digest has to come too.",
		takes: typeOf[api.ApprovalDecision](),
		gives: ok[api.Approval]("The approval as it is now."),
		codes: []api.Code{api.CodeNotFound, api.CodeConflict},
	},
	"approval.deny": {
		tag: "approvals", summary: "Deny", who: owners, id: "The id of the approval.",
		text:  "`CONFLICT` when it is decided or expired already, or when the digest is another. It takes no passphrase.",
		takes: typeOf[api.ApprovalDecision](),
		gives: ok[api.Approval]("The approval as it is now."),
		codes: []api.Code{api.CodeNotFound, api.CodeConflict},
	},
	"approval.revoke": {
		tag: "approvals", summary: "End what was approved", who: owners, id: "The id of the approval.",
		text:  "Also the delay before it begins. `CONFLICT` when it is not approved, or when what it opened has ended. It takes no passphrase.",
		takes: typeOf[api.ApprovalDecision](),
		gives: ok[api.Approval]("The approval as it is now."),
		codes: []api.Code{api.CodeNotFound, api.CodeConflict},
	},
	"approval.get": {
		tag: "approvals", summary: "How an approval stands", who: slices.Concat(agents, owners), id: "The id of the approval.",
		text: "An agent sees its own. With `wait` the answer comes when it is decided and a delay is over, or the time is. " +
			"Of one bearer 32 answers wait at a time: one more comes at once.",
		query: []docParameter{waitQuery},
		gives: ok[api.Approval]("The approval."),
		codes: []api.Code{api.CodeNotFound, api.CodeConflict},
	},
	"owner.list": {
		tag: "identity", summary: "The living owners", who: owners,
		gives: ok[api.Owners]("The owners."),
		codes: []api.Code{api.CodeConflict},
	},
	"owner.create": {
		tag: "identity", summary: "Make an owner", who: owners,
		text:  "Where a tier asks for two owners and there are two, another one has to approve it first: `APPROVAL_REQUIRED`.",
		takes: typeOf[api.OwnerCreate](),
		gives: ok[api.OwnerCreated]("The owner. The key and the first passphrase are shown only here."),
		codes: []api.Code{api.CodeApprovalRequired, api.CodeConflict},
	},
	"owner.revoke": {
		tag: "identity", summary: "End an owner with its key, tokens and passphrase", who: owners, id: "The id of the owner, or its name in any case.",
		text:  "The last one cannot be ended: `CONFLICT`. Where a tier asks for two owners and there are two, another one has to approve it first: `APPROVAL_REQUIRED`.",
		takes: typeOf[api.OwnerRevoke](),
		gives: noContent("The owner has ended."),
		codes: []api.Code{api.CodeApprovalRequired, api.CodeNotFound, api.CodeConflict},
	},
	"policy.get": {
		tag: "policy", summary: "How the files of the operator stand", who: owners,
		gives: ok[api.OperatorFiles]("The files: the text in force, and the one that waits for an owner."),
		codes: []api.Code{api.CodeConflict},
	},
	"policy.check": {
		tag: "policy", summary: "What an agent would be told", who: owners,
		text: "Nothing is asked for by it, and no grant counts.",
		query: []docParameter{
			required(query("agent", "The name of the agent, in any case, or its id.", "ci-deploy", text(notEmpty))),
			required(query("scope", "What it would ask for, as in a request for a token.", "secrets:read:production/KEY", text(matching(scopePattern)))),
			query("from", "Where it would ask from: an address, or `local` for the Unix socket. Absent: `local`.", "10.1.2.3", text(notEmpty)),
		},
		gives: ok[api.PolicyCheck]("The decision, with the rule that made it."),
		codes: []api.Code{api.CodeNotFound, api.CodeConflict},
	},
	"policy.accept": {
		tag: "policy", summary: "Put a held text in force", who: owners,
		text: "`CONFLICT` when no text with that digest waits. A policy that asks for fewer approvals, where a tier asks for two owners and there are two, " +
			"another one has to approve first: `APPROVAL_REQUIRED`.",
		takes: typeOf[api.PolicyAccept](),
		gives: ok[api.OperatorFile]("The file as it stands now."),
		codes: []api.Code{api.CodeApprovalRequired, api.CodeConflict},
	},
	"vault.lockdown": {
		tag: "vault", summary: "Lock the vault down", who: keys,
		text:  "An agent may where the policy says so. To lock it down again changes nothing.",
		takes: typeOf[api.LockdownRequest](),
		gives: ok[api.Lockdown]("It is locked down."),
	},
	"vault.lift": {
		tag: "vault", summary: "Lift a lockdown", who: owners,
		text:  "What it has ended stays ended. `CONFLICT` when there is none.",
		takes: typeOf[api.LiftRequest](),
		gives: ok[api.Lockdown]("It is not locked down any more."),
		codes: []api.Code{api.CodeConflict},
	},
	"vault.status": {
		tag: "vault", summary: "How keys and data file stand", who: owners,
		text:  "Also how far it is to turn over the keys.",
		gives: ok[api.VaultStatus]("How they stand."),
	},
	"kek.rotate": {
		tag: "vault", summary: "Turn over the keys", who: owners,
		text: "Another key seals values from now on, another one signs tokens, so that those from before are void, and another one the trail. " +
			"The keys of older values are wrapped anew in the background, and then the old key is destroyed, with an event that says so; `GET /v1/vault/status` tells how far that is. " +
			"Values that are sealed to the approval key stay as they are. `CONFLICT` while it is under way. " +
			"With `root` another root key comes as well: all keys are sealed under it, the slots hold it, and the records are authenticated anew in the background. `CONFLICT`, too, where a slot would be lost, whose secret is neither at hand nor among `slot_passphrases`, unless `drop_others` is set.",
		takes: typeOf[api.KEKRotation](),
		gives: ok[api.KEKRotated]("The keys from now on."),
		codes: []api.Code{api.CodeConflict},
	},
	"vault.compact": {
		tag: "vault", summary: "Write the data file anew", who: owners,
		text: "Without what is gone from the vault, which stays in the file's free space until then; all goes on meanwhile. " +
			"It needs space for a second file, else it is `STORAGE_FULL`.",
		gives: ok[api.Compaction]("It is done."),
	},
	"vault.backup.get": {
		tag: "vault", summary: "A backup of the vault", who: owners,
		text:    backupText + " Where there is an approval passphrase, it is `STEP_UP_REQUIRED` here: `POST` takes it.",
		gives:   []success{{status: http.StatusOK, text: "The backup: a data file."}},
		streams: streamDoc{plain: []string{typeBackup}, headers: backupHeaders},
	},
	"vault.backup": {
		tag: "vault", summary: "A backup of the vault, with the passphrase", who: owners,
		text:    backupText,
		takes:   typeOf[api.BackupRequest](),
		gives:   []success{{status: http.StatusOK, text: "The backup: a data file."}},
		streams: streamDoc{plain: []string{typeBackup}, headers: backupHeaders},
	},
	"vault.slot_list": {
		tag: "vault", summary: "What opens the vault", who: owners,
		text:  "Never the secrets: those are with whoever keeps them.",
		gives: ok[api.Slots]("The slots, oldest first."),
		codes: []api.Code{api.CodeConflict},
	},
	"vault.slot_add": {
		tag: "vault", summary: "Have another secret open the vault", who: owners,
		text: "The secret of a file or a keyring is made by the client, which keeps it there. That of a command is what the program prints which `assd.toml` names. " +
			"`CONFLICT` when that fails, or when there are 16 slots.",
		takes: typeOf[api.SlotAdd](),
		gives: ok[api.Slot]("The slot."),
		codes: []api.Code{api.CodeConflict},
	},
	"vault.slot_remove": {
		tag: "vault", summary: "Have a secret open the vault no more", who: owners, id: "The id of the slot.",
		text:  "The last one cannot go: `CONFLICT`. Older copies of the data file still open with the secret.",
		takes: typeOf[api.SlotRemove](),
		gives: ok[api.SlotRemoved]("What is gone, and what is left."),
		codes: []api.Code{api.CodeNotFound, api.CodeConflict},
	},
	"vault.seal": {
		tag: "vault", summary: "Seal the vault", who: owners,
		text: "Nothing is done any more once this is answered, what is under way ends, and the daemon lets go of all keys: until it is unsealed it answers `SEALED`, but for `/v1/health` and `/v1/vault/unseal`. " +
			"Tokens and approvals count again afterwards, but for values that an approval passphrase protects.",
		takes: typeOf[api.SealRequest](),
		gives: ok[api.Sealing]("It is sealed."),
	},
	"vault.unseal": {
		tag: "vault", summary: "Open the sealed vault",
		text: "On the daemon's socket, by the user that the vault's data belongs to; over TLS where the daemon was started with `--unseal-remote`. It needs a passphrase of the vault, no key. " +
			"One is tried at a time, and wrong ones make the next one wait; `details.slots` says what opens the vault. Where it is open already this changes nothing, and looks at no passphrase.",
		takes: typeOf[api.UnsealRequest](), whileSealed: true,
		gives: ok[api.Unsealed]("It is open."),
		codes: []api.Code{api.CodeUnauthorized, api.CodeScopeDenied, api.CodeConflict, api.CodeRateLimited, api.CodeSealed, api.CodeStorageFull, api.CodeInternal},
	},
	"passphrase.set": {
		tag: "vault", summary: "Change one's own approval passphrase", who: owners,
		text: "It takes the old one. The first one of a vault comes with the claim, or is set on the daemon's machine, with the daemon stopped, by `assd passphrase set`: " +
			"without one there is none to change.",
		takes: typeOf[api.PassphraseChange](),
		gives: noContent("The new one counts from now on."),
		codes: []api.Code{api.CodeConflict},
	},
	"vault.doctor": {
		tag: "vault", summary: "What protects the vault, and what does not", who: owners,
		text:  "What the daemon can tell of its own machine; `ass doctor` adds what it sees of the caller's.",
		gives: ok[api.Doctor]("What was looked at."),
		codes: []api.Code{api.CodeConflict},
	},
	"webhook.list": {
		tag: "webhooks", summary: "The webhooks, and how they stand", who: owners,
		text:  "They are configured in `assd.toml`. Of a URL only scheme, host and port are told.",
		gives: ok[api.Webhooks]("The webhooks, in the order of the configuration."),
		codes: []api.Code{api.CodeConflict},
	},
	"webhook.test": {
		tag: "webhooks", summary: "Send a test to a webhook", who: owners, id: "The name of the webhook.",
		text: "One signed message of the type `webhook.test` is sent now, and never again. The answer comes when the receiver has answered, or after 15 seconds; " +
			"one that does not take it is no error here. One that does gets at once what waits for it.",
		gives: ok[api.WebhookTest]("What came of it."),
		codes: []api.Code{api.CodeNotFound},
	},
	"audit": {
		tag: "audit", summary: "Events of the trail, newest first", who: owners,
		query: auditQuery,
		gives: ok[api.AuditPage]("A page of events."),
		codes: []api.Code{api.CodeConflict},
	},
	"audit.stats": {
		tag: "audit", summary: "Who did what how often", who: owners,
		text: "Over the last 7 days, where `since` says nothing else. An event that stands for several counts as several. Each table has the 20 most frequent. " +
			"What cannot be counted in 30 seconds is left out, and `complete` is false.",
		query: auditQuery[:len(filterQuery)],
		gives: ok[api.AuditStats]("The counts."),
		codes: []api.Code{api.CodeConflict},
	},
	"audit.follow": {
		tag: "audit", summary: "Events as they are committed", who: owners,
		text: "Server-sent events: of each the `id` is its number, and the data of an `audit` event is what `GET /v1/audit` has in its list. " +
			"It begins behind the event in the header `Last-Event-ID`, else behind `after`, else with what comes from now on; `CONFLICT` when the trail does not go so far. " +
			"Without news there is a comment every 15 seconds, with the number up to which nothing is left out. An `error` event ends it. " +
			"Of one bearer 8 are let in at a time: one more is `RATE_LIMITED`.",
		query:   followQuery,
		gives:   []success{{status: http.StatusOK, text: "The events."}},
		streams: streamDoc{plain: []string{typeSSE}},
		codes:   []api.Code{api.CodeConflict},
	},
	"audit.export": {
		tag: "audit", summary: "The trail, oldest first", who: owners,
		text: "Up to what is the newest event when it begins. As jsonl each event has the bytes that were hashed, so that the chain can be proved without this vault; " +
			"that takes all of it, so not with a filter. One that is cut short ends without the end of its body, as jsonl after a line with an error. " +
			"Few are made at a time: one more is `RATE_LIMITED`.",
		query:   exportQuery,
		gives:   []success{{status: http.StatusOK, text: "The events: as jsonl, of which each line is one of these, or as csv with a header row; of an event that stands for several equal refusals `count` says how many."}},
		streams: streamDoc{lines: []reflect.Type{typeOf[api.AuditLine](), typeOf[api.AuditHead](), typeOf[api.ErrorBody]()}, plain: []string{typeCSV}},
		codes:   []api.Code{api.CodeConflict},
	},
	"audit.checkpoint": {
		tag: "audit", summary: "The signed head of the chain", who: owners,
		text: "A signed note over the number of events and the hash of the newest, to be kept elsewhere: whoever has it can tell a trail that was cut, rolled back or made anew. " +
			"With `Accept: text/plain` the answer is the note alone. `NOT_FOUND` where the trail ends before `size`.",
		query:   []docParameter{query("size", "The number of an older event, whose hash is to be told as well.", 1, count(from(1)))},
		gives:   ok[api.Checkpoint]("The newest checkpoint."),
		streams: streamDoc{plain: []string{typeNote}},
		codes:   []api.Code{api.CodeNotFound, api.CodeConflict},
	},
	"audit.verify": {
		tag: "audit", summary: "Check the whole vault now", who: owners,
		text: "Chain, signatures, records and values, by the daemon itself; the chain can be checked without trusting it, from an export with the signed heads. " +
			"`CONFLICT` while another one is under way. What is found stops the daemon, after the answer.",
		gives: ok[api.TrailCheck]("What was found."),
		codes: []api.Code{api.CodeConflict},
	},
	"audit.rotate_key": {
		tag: "audit", summary: "Have another key sign the trail", who: owners,
		text:  "The old key signs for the new one, and what it has signed stays verifiable. Tokens are not affected.",
		takes: typeOf[api.KeyRotation](),
		gives: ok[api.KeyRotated]("The key that signs from now on."),
		codes: []api.Code{api.CodeConflict},
	},
}
