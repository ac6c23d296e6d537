package server

import (
	"reflect"

	"github.com/agent-secret-store/assd/policy"
	"github.com/agent-secret-store/assd/vault/api"
)

// rule narrows the schema of a field to what the type alone does not say.
type rule func(*schema)

// Patterns of text, as the parsers of package policy read it. They are written
// for regular expressions without look-ahead too.
const (
	segmentPattern     = `(\.{0,2}[A-Za-z0-9_-][A-Za-z0-9_.-]*|\.{3,}([A-Za-z0-9_-][A-Za-z0-9_.-]*)?)` // never "." or ".."
	namespacePattern   = `^` + segmentPattern + `(/` + segmentPattern + `)*$`
	keyPattern         = `^` + segmentPattern + `$`
	namePattern        = `^[A-Za-z0-9][A-Za-z0-9._-]*$`
	scopePattern       = `^(secrets:(read|write|delete|rotate|\*)(:[A-Za-z0-9_.*/-]+)?|(read|write|delete|rotate|import):secrets|namespaces:read|manage:agents)$`
	reachPattern       = `^(\*|` + segmentPattern + `(/` + segmentPattern + `)*(/\*)?)$`
	askedPattern       = `^(secrets:(read|write|delete|rotate):` + segmentPattern + `(/` + segmentPattern + `)+|owner\.(create|revoke):[A-Za-z0-9][A-Za-z0-9._-]*|policy\.accept:sha256:[0-9a-f]{64})$`
	digestPattern      = `^sha256:[0-9a-f]{64}$`
	maybeDigestPattern = `^(sha256:[0-9a-f]{64})?$`
	hashPattern        = `^[0-9a-f]{64}$`
	cursorPattern      = `^[A-Za-z0-9_-]{21}[AQgw]$` // 16 bytes
)

// text is a string narrowed by rules.
func text(rules ...rule) *schema { return narrowed("string", rules) }

// count is a whole number from 1, narrowed by rules.
func count(rules ...rule) *schema { return narrowed("integer", append([]rule{from(1)}, rules...)) }

func narrowed(typ string, rules []rule) *schema {
	s := &schema{Type: typ}
	for _, narrow := range rules {
		narrow(s)
	}
	return s
}

// idOf is an id of that kind: three letters, and 128 random bits in base32.
func idOf(prefix string) rule { return matching("^" + prefix + "_[a-z2-7]{26}$") }

// isHolder is the id of an owner or an agent.
var isHolder = matching("^(own|agt)_[a-z2-7]{26}$")

// isApproval is the id of an approval, short enough for the tables of clients.
var isApproval = matching("^apr_[a-z2-7]{8}$")

func matching(pattern string) rule { return func(s *schema) { s.Pattern = pattern } }

func longest(n int) rule { return func(s *schema) { s.MaxLength = n } }

func notEmpty(s *schema) {
	if s.Type == "array" {
		s.MinItems = 1
		return
	}
	s.MinLength = 1
}

func atMost(items int) rule { return func(s *schema) { s.MaxItems = items } }

func from(least int) rule { return func(s *schema) { s.Minimum = new(least) } }

func upTo(most int) rule { return func(s *schema) { s.Maximum = new(most) } }

func always(x any) rule { return func(s *schema) { s.Const = x } }

func absent(x any) rule { return func(s *schema) { s.Default = x } }

func oneOf[T ~string](texts ...T) rule {
	return func(s *schema) {
		for _, t := range texts {
			s.Enum = append(s.Enum, string(t))
		}
	}
}

// each narrows the entries of a list.
func each(rules ...rule) rule {
	return func(s *schema) {
		for _, narrow := range rules {
			narrow(s.Items)
		}
	}
}

// orNull lets null stand in the place of a value too.
func orNull(s *schema) {
	switch {
	case s.AnyOf != nil:
		s.AnyOf = append(s.AnyOf, &schema{Type: "null"})
	case reflect.TypeOf(s.Type).Kind() == reflect.String:
		s.Type = []string{s.Type.(string), "null"}
	}
	if s.Enum != nil {
		s.Enum = append(s.Enum, nil)
	}
}

var (
	isTier       = oneOf(policy.Standard, policy.Sensitive, policy.Critical)
	isSecretType = oneOf(policy.APIKey, policy.OAuthToken, policy.DBCredential, policy.SSHKey, policy.Certificate, policy.Custom)
	isSlotKind   = oneOf(api.SlotFile, api.SlotPassphrase, api.SlotCommand, api.SlotKeyring)
	isKind       = oneOf(api.KindOwner, api.KindAgent)
	isFile       = oneOf(api.PolicyFile, api.ConfigFile)
	isFileState  = oneOf(api.FileNone, api.FileInForce, api.FileHeld, api.FileProblem)
	isStatus     = oneOf(api.ApprovalPending, api.ApprovalApproved, api.ApprovalDenied, api.ApprovalExpired, api.ApprovalRevoked)
)

// isNamespace is a namespace; listings of the whole vault have none.
func isNamespace(s *schema) {
	s.Pattern, s.MaxLength, s.MinLength = namespacePattern, policy.MaxNamespace, 1
}

func isKey(s *schema) {
	s.Pattern, s.MaxLength, s.MinLength = keyPattern, policy.MaxKey, 1
	s.Not = &schema{Enum: []any{policy.SubVersions, policy.SubRotate, policy.SubRollback}}
}

func isTime(s *schema) { s.Format = "date-time" }

func isName(s *schema) { s.Pattern, s.MaxLength, s.MinLength = namePattern, policy.MaxName, 1 }
