package server

import (
	"strings"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/policy"
	"github.com/agent-secret-store/assd/vault/api"
)

func query(name, says string, example any, s *schema) docParameter {
	return docParameter{Name: name, In: "query", Description: says, Schema: s, Example: example}
}

func required(p docParameter) docParameter {
	p.Required = true
	return p
}

// waitQuery is how long an answer may wait for news.
var waitQuery = query("wait", "How long the answer may wait for news: a whole number with a unit, or of seconds, from `1s` to `60s`. Absent: not at all.", "1s",
	&schema{Type: "string", Pattern: "^0*([1-9]|[1-5][0-9]|60)s?$|^0*1m$"})

// auditQuery is what the handler of the trail reads.
var auditQuery = []docParameter{
	query("namespace", "Only events on this namespace and those below it.", "production/openai", text(isNamespace)),
	query("agent", "Only events of the agent or owner of this name, in any case, or id.", "ci-deploy", text(notEmpty, longest(maxSegment))),
	query("action", "Only events of this action and its refusals, like `secret.read`, of refusals alone, like `secret.read.denied`, or of this kind, like `secret` or `secret.*`. An action that there is not is an error.", "secret.read", text(notEmpty, longest(maxSegment))),
	query("since", "Only events from then on.", "2026-03-14T13:00:00Z", text(isTime)),
	query("until", "Only events until then.", "2026-03-15T13:00:00Z", text(isTime)),
	query("limit", "How many events the page has at most.", 50, count(upTo(maxEvents), absent(defaultEvents))),
	query("page", "Which page. To go far there is the cursor: a page behind more than 5000 events walks over them, and takes a place among the few exports of the trail at a time, or is `RATE_LIMITED`.", 1, count(upTo(maxPage), absent(1))),
	query("cursor", "The `next_cursor` of the page before, of a query with the same filters; not together with a page beyond the first.", audit.Filter{}.Cursor("", 1000), text(matching(cursorPattern))),
}

// exportQuery is what the handler of an export of the trail reads.
var exportQuery = append([]docParameter{
	query("format", "How it is written. Absent: `jsonl`.", api.AuditJSONL, text(oneOf(api.AuditJSONL, api.AuditCSV))),
	query("heads", "Whether the signed heads are in it, each behind its event; of jsonl without filters alone. Absent: not.", "true", text(oneOf("true", "false"))),
}, auditQuery[:len(filterQuery)]...)

// followQuery is what the handler of those who follow the trail reads.
var followQuery = append([]docParameter{
	query("after", "The number of the event behind which to begin; 0 is the beginning. Absent: now.", 1, &schema{Type: "integer", Minimum: new(0)}),
	query("wait", "How long it lasts, from `1s` to `60s`. Absent: until the client goes or the daemon stops.", "1s", waitQuery.Schema),
	{Name: lastEventID, In: "header", Schema: text(longest(20)), Description: "The `id` of the event that came last: what a client sends that connects again."},
}, auditQuery[:3]...)

// maxTail is the longest last segment of a namespace that has another one.
const maxTail = policy.MaxNamespace - len("n/")

// pathParameters are the parts of the path of a secret.
var pathParameters = map[string]docParameter{
	"namespace": {
		Name: "namespace", In: "path", Required: true, Example: "production/openai", Schema: text(isNamespace),
		Description: "One or more segments of letters, digits, `_`, `.` and `-`, with slashes between them. Send the slashes encoded, as one piece " +
			"(`production%2Fopenai`), or, where a key follows, as they are: both mean the same.",
	},
	"key": {
		Name: "key", In: "path", Required: true, Example: "OPENAI_API_KEY", Schema: text(isKey),
		Description: "The last segment of the path.",
	},
	keyOrTail: {
		Name: "key", In: "path", Required: true, Example: "OPENAI_API_KEY",
		Schema:      text(notEmpty, longest(maxTail), matching(keyPattern)),
		Description: "The last segment of the path: a key, or the last segment of a namespace.",
	},
}

// keyOrTail is the name of the parameter that stands for "{key}" where the path
// may be that of a namespace too.
const keyOrTail = "keyOrTail"

// idParameter is the "{id}" of a path.
func idParameter(says string) docParameter {
	return docParameter{
		Name: "id", In: "path", Required: true, Description: says,
		Schema: text(notEmpty, longest(maxSegment), matching(`^[A-Za-z0-9_.-]+$`)),
	}
}

// clientID is the name of the parameter that every operation takes.
const clientID = "ClientRequestId"

// headerParameters are the headers that a client may send with any request.
var headerParameters = map[string]docParameter{
	clientID: {
		Name: requestID, In: "header", Schema: text(longest(maxRef), matching(`^[A-Za-z0-9_.-]*$`)),
		Description: "What the client calls the request. It is kept in the trail beside the id that the daemon gives; one of another form is passed over.",
	},
}

// parametersOf are the parameters of an operation at path.
func (doc operationDoc) parametersOf(path string) (out []docParameter) {
	for piece := range strings.SplitSeq(path, "/") {
		name, ok := strings.CutPrefix(piece, "{")
		switch name = strings.TrimSuffix(name, "}"); {
		case ok && name == "id":
			out = append(out, idParameter(doc.id))
		case name == "key" && doc.lists:
			out = append(out, docParameter{Ref: "#/components/parameters/" + keyOrTail})
		case ok:
			out = append(out, docParameter{Ref: "#/components/parameters/" + name})
		}
	}
	out = append(out, doc.query...)
	return append(out, docParameter{Ref: "#/components/parameters/" + clientID})
}
