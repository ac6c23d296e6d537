package server

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/agent-secret-store/assd/vault/api"
)

// errorCode is the name of the schema of error codes.
const errorCode = "ErrorCode"

// codeDocs describe the error codes, all of package api.
var codeDocs = map[api.Code]string{
	api.CodeValidation:       "The request is not well formed; the message begins with the field or part it is about.",
	api.CodeUnauthorized:     "No key or token was sent, or one that does not count (any longer).",
	api.CodeScopeDenied:      "The caller may not do this. The answer is the same whether there is such a secret or not.",
	api.CodeApprovalRequired: "An owner has to approve this first; `approval_id` names what is waited for.",
	api.CodeStepUpRequired:   "The approval passphrase has to come with this request.",
	api.CodeLockedDown:       "The vault is locked down: no value leaves and no secret changes.",
	api.CodeSecretNotFound:   "There is no such secret, or no such version of it.",
	api.CodeNotFound:         "There is no such thing, or no such route.",
	api.CodeConflict:         "The request does not go with what is there, or somebody else was changing it just then.",
	api.CodeTooLarge:         "The body, the value or the metadata is too long.",
	api.CodeRateLimited:      "Too many requests; `Retry-After` says how many seconds to wait.",
	api.CodeSealed:           "The vault is sealed: `POST /v1/vault/unseal` opens it.",
	api.CodeStorageFull:      "The disk is full: nothing was changed and nothing was released.",
	api.CodeInternal:         "The daemon's fault; its log says more under the request id.",
}

// byStatus orders codes by their status, then by their text.
func byStatus(a, b api.Code) int {
	return cmp.Or(cmp.Compare(a.Status(), b.Status()), cmp.Compare(a, b))
}

func codeSchema() *schema {
	s := &schema{Type: "string"}
	lines := []string{"Each code goes with one status:"}
	for _, c := range slices.SortedFunc(maps.Keys(codeDocs), byStatus) {
		s.Enum = append(s.Enum, string(c))
		lines = append(lines, fmt.Sprintf("- `%s` %d: %s", c, c.Status(), codeDocs[c]))
	}
	s.Description = strings.Join(lines, "\n")
	return s
}

// refusals are the answers of an operation that can end in these codes, by
// status. Each is a reference to one that is kept in c under the codes' names.
func (c components) refusals(codes []api.Code) map[string]*docResponse {
	sorted := slices.Compact(slices.SortedFunc(slices.Values(codes), byStatus))
	out := map[string]*docResponse{}
	for len(sorted) > 0 {
		n := 1
		for n < len(sorted) && sorted[n].Status() == sorted[0].Status() {
			n++
		}
		out[strconv.Itoa(sorted[0].Status())] = &docResponse{Ref: "#/components/responses/" + c.refusal(sorted[:n])}
		sorted = sorted[n:]
	}
	return out
}

// refusal is the name of the answer that has one of these codes, which share a
// status.
func (c components) refusal(codes []api.Code) (name string) {
	var names, lines []string
	var enum []any
	for _, code := range codes {
		names = append(names, string(code))
		enum = append(enum, string(code))
		lines = append(lines, fmt.Sprintf("`%s`: %s", code, codeDocs[code]))
	}
	name = strings.Join(names, "-")
	if c.Responses[name] == nil {
		only := &schema{Properties: map[string]*schema{"error": {Properties: map[string]*schema{"code": {Enum: enum}}}}}
		c.Responses[name] = &docResponse{
			Description: strings.Join(lines, "\n\n"),
			Headers:     headersOf(codes[0].Status()),
			Content:     asJSON(&schema{AllOf: []*schema{schemaRef("ErrorBody"), only}}),
		}
	}
	return name
}
