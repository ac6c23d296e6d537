package server

import (
	"net/http"
	"reflect"
	"slices"

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
	codes              []api.Code // in which it can end, besides those that all like it share
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

// shared are the codes in which all operations can end that let only some in, or
// that write.
var shared = []api.Code{
	api.CodeValidation, api.CodeUnauthorized, api.CodeScopeDenied, api.CodeRateLimited, api.CodeStorageFull, api.CodeInternal,
}

// bodyCodes are those of all that take a body.
var bodyCodes = []api.Code{api.CodeValidation, api.CodeTooLarge}

// allCodes are all codes in which an operation can end.
func (doc operationDoc) allCodes() []api.Code {
	all := slices.Clone(doc.codes)
	if len(doc.who) > 0 {
		all = append(all, shared...)
	}
	if doc.takes != nil {
		all = append(all, bodyCodes...)
	}
	return all
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

var docTags = []docTag{
	{"vault", "The daemon and the vault itself."},
	{"identity", "Who the caller is, and the agents."},
	{"tokens", "Short-lived tokens of narrow scope, made from a key."},
	{"secrets", "Secrets and their namespaces. A key sent here stands for a one-use token of exactly this request's scope."},
	{"approvals", "What agents asked for and an owner has to decide on."},
	{"audit", "The audit trail."},
}

// listingDoc names the documentation of the route that answers a secret, where
// its path is a namespace in one piece.
const listingDoc = "secret.list.namespace"

// operationDocs describe the operations, by the names of their routes.
var operationDocs = map[string]operationDoc{
	"health": {
		tag: "vault", summary: "How the daemon is",
		text:  "Answered with 200 whatever the state of the vault.",
		gives: ok[api.Health]("The daemon answers."),
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
			"`CONFLICT` says when and by whom it was claimed.",
		takes: typeOf[struct{}](),
		gives: ok[api.Claim]("The vault is claimed. The key is shown only here."),
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
			"ask again once it is approved. What such a refusal leaves in the trail is the refused act itself.",
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
			"The value leaves once its read event is durable. `NOT_FOUND` is for a sub-resource (`versions`, `rotate`, `rollback`) that is not to be got.",
		query: []docParameter{query("version", "An older version, of those that are kept. Absent: the current one.", 1, count())},
		gives: []success{{http.StatusOK, "The secret with its value, or a listing without values.", []reflect.Type{typeOf[api.Secret](), typeOf[api.SecretList]()}}},
		codes: []api.Code{api.CodeApprovalRequired, api.CodeSecretNotFound, api.CodeNotFound, api.CodeConflict},
	},
	"secret.put": {
		tag: "secrets", summary: "Store a secret, or its next version", who: holders,
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
		tag: "secrets", summary: "Store the next value, or ask for one", who: holders,
		text: "With a value, it is stored as the next version, which needs the scope to write. Without one the secret is flagged as waiting for its next value. " +
			"The answer never holds the value.",
		takes: typeOf[api.SecretRotate](),
		gives: ok[api.SecretInfo]("The secret as it is now, without the value."),
		codes: []api.Code{api.CodeApprovalRequired, api.CodeSecretNotFound, api.CodeConflict},
	},
	"secret.import": {
		tag: "secrets", summary: "Store a dotenv text", who: holders,
		text:  "All of it in one transaction, or nothing.",
		takes: typeOf[api.ImportRequest](),
		gives: ok[api.ImportResponse]("What was stored, or would be."),
		codes: []api.Code{api.CodeApprovalRequired, api.CodeConflict},
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
		tag: "approvals", summary: "What agents asked for", who: owners,
		query: []docParameter{query("status", "Only those that stand so. Absent: all.", api.ApprovalPending, text(isStatus))},
		gives: ok[api.Approvals]("The approvals."),
		codes: []api.Code{api.CodeConflict},
	},
	"approval.approve": {
		tag: "approvals", summary: "Approve", who: owners, id: "The id of the approval.",
		text:  "`CONFLICT` when it is decided or expired already, when the digest is another, or when what was asked for is not what it was.",
		takes: typeOf[api.ApprovalDecision](),
		gives: ok[api.Approval]("The approval as it is now."),
		codes: []api.Code{api.CodeNotFound, api.CodeConflict},
	},
	"approval.deny": {
		tag: "approvals", summary: "Deny", who: owners, id: "The id of the approval.",
		text:  "`CONFLICT` when it is decided or expired already, or when the digest is another.",
		takes: typeOf[api.ApprovalDecision](),
		gives: ok[api.Approval]("The approval as it is now."),
		codes: []api.Code{api.CodeNotFound, api.CodeConflict},
	},
	"approval.get": {
		tag: "approvals", summary: "How an approval stands", who: slices.Concat(agents, owners), id: "The id of the approval.",
		text:  "An agent sees its own.",
		gives: ok[api.Approval]("The approval."),
		codes: []api.Code{api.CodeNotFound, api.CodeConflict},
	},
	"audit": {
		tag: "audit", summary: "Events of the trail, newest first", who: owners,
		query: auditQuery,
		gives: ok[api.AuditPage]("A page of events."),
		codes: []api.Code{api.CodeConflict},
	},
}
