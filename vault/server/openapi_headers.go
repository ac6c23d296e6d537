package server

import (
	"net/http"

	"github.com/agent-secret-store/assd/vault/api"
)

// requestID is the name of the header that names a request, either way.
const requestID = "X-Request-Id"

// everyHeader are the headers of each answer.
var everyHeader = map[string]docHeader{
	requestID: {
		Description: "Names this request; the audit event of it carries the same.",
		Required:    true, Schema: &schema{Type: "string", Pattern: "^req_[a-z2-7]{26}$"},
	},
	"Cache-Control":          {Description: "Nothing is to be kept.", Required: true, Schema: &schema{Type: "string", Const: "no-store"}},
	"X-Content-Type-Options": {Description: "The type is what it says.", Required: true, Schema: &schema{Type: "string", Const: "nosniff"}},
}

// headersByStatus are those that go with a status alone.
var headersByStatus = map[int]map[string]docHeader{
	http.StatusUnauthorized: {
		"WWW-Authenticate": {Description: "How to authenticate.", Required: true, Schema: &schema{Type: "string", Const: `Bearer realm="assd"`}},
	},
	http.StatusTooManyRequests: {
		"Retry-After": {Description: "How many seconds to wait.", Required: true, Schema: &schema{Type: "integer", Minimum: new(1)}},
	},
}

// headersOf are references to the headers of an answer with that status.
func headersOf(status int) map[string]docHeader {
	out := map[string]docHeader{}
	for _, set := range []map[string]docHeader{everyHeader, headersByStatus[status]} {
		for name := range set {
			out[name] = docHeader{Ref: "#/components/headers/" + name}
		}
	}
	return out
}

// allHeaders are all that can be referred to.
func allHeaders() map[string]docHeader {
	out := map[string]docHeader{}
	for name, h := range everyHeader {
		out[name] = h
	}
	for _, set := range headersByStatus {
		for name, h := range set {
			out[name] = h
		}
	}
	return out
}

// backupHeaders are those of a backup.
var backupHeaders = map[string]docHeader{
	api.BackupDigest: {Description: "Its SHA-256.", Required: true, Schema: &schema{Type: "string", Pattern: "^sha-256=:[A-Za-z0-9+/]{43}=:$"}},
	api.BackupTenant: {Description: "The vault that it is of.", Required: true, Schema: &schema{Type: "string", Pattern: "^ten_[a-z2-7]{26}$"}},
	api.BackupEvents: {Description: "How many events its trail has.", Required: true, Schema: &schema{Type: "integer", Minimum: new(1)}},
	api.BackupHead:   {Description: "The hash of the newest.", Required: true, Schema: &schema{Type: "string", Pattern: "^[0-9a-f]{64}$"}},
	api.BackupSlots:  {Description: "The kinds of slots that open it.", Required: true, Schema: &schema{Type: "string"}},
}
