package server

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/agent-secret-store/assd/policy"
	"github.com/agent-secret-store/assd/vault/api"
)

// openapi answers the description of this API. It is made from the table of
// routes, from the wire types and from the tables in the files beside this one.
func (s *Server) openapi(rq *request) (any, error) {
	if _, err := rq.query(); err != nil {
		return nil, err
	}
	return s.document()
}

// describeAPI is the document of routes, as JSON: the same for the same version.
func describeAPI(version string, routes []route) (json.RawMessage, error) {
	d := &document{
		OpenAPI: "3.1.0",
		Info:    docInfo{"Agent Secret Store", version, "A vault for the secrets of AI agents.", aboutAPI()},
		Servers: []docServer{{"/", "The daemon that this document comes from: on its Unix socket, and on TLS where it listens."}},
		Tags:    docTags, Security: securityFor(holders),
		Paths: map[string]map[string]*operation{},
		Components: components{
			Schemas: schemas{errorCode: codeSchema()}, Responses: map[string]*docResponse{},
			Parameters: maps.Clone(pathParameters), Headers: allHeaders(), SecuritySchemes: bearer,
		},
	}
	maps.Copy(d.Components.Parameters, headerParameters)
	d.Components.Schemas.of(reflect.TypeFor[api.ErrorBody](), inAnswer)
	for _, rt := range routes {
		for _, at := range placesOf(rt) {
			if err := d.add(rt.method, at); err != nil {
				return nil, err
			}
		}
	}
	return json.Marshal(d)
}

// place is where an operation stands in the document: a path, the name of its
// documentation, and the act that it comes to, as the table of guards calls it.
type place struct{ path, doc, act string }

// placesOf are the paths of a route. That of a secret is a namespace and a key;
// to get it, the namespace may stand alone.
func placesOf(rt route) []place {
	const secret = "/{namespace}/{key}"
	base, rest, ok := strings.Cut(rt.pattern, pathMark)
	if !ok {
		return []place{{rt.pattern, rt.name, rt.name}}
	}
	places := []place{{base + secret + rest, rt.name, rt.name}}
	if rt.method == "GET" && rest == "" {
		places = append(places, place{base + "/{namespace}", listingDoc, "secret.list"})
	}
	return places
}

func (d *document) add(method string, at place) error {
	doc, ok := operationDocs[at.doc]
	if !ok {
		return fmt.Errorf("describing the API: route %q has no documentation", at.doc)
	}
	if d.Paths[at.path] == nil {
		d.Paths[at.path] = map[string]*operation{}
	}
	guard, ok := policy.GuardOf(at.act)
	if !ok {
		return fmt.Errorf("describing the API: the act %q has no guard", at.act)
	}
	d.Paths[at.path][strings.ToLower(method)] = d.operation(doc, at, guard)
	return nil
}

func (d *document) operation(doc operationDoc, at place, guard policy.Guard) *operation {
	op := &operation{
		OperationID: d.operationID(at), Tags: []string{doc.tag}, Summary: doc.summary,
		Description: strings.TrimSpace(doc.text + " " + guardText(guard)),
		Security:    securityFor(doc.who), Parameters: doc.parametersOf(at.path),
		Responses: d.Components.refusals(doc.allCodes(guard)),
	}
	if doc.takes != nil {
		op.RequestBody = d.bodyOf(doc.takes)
	}
	for _, s := range doc.gives {
		op.Responses[strconv.Itoa(s.status)] = d.success(s)
	}
	if ok := op.Responses["200"]; ok != nil {
		d.addStreams(ok, doc.streams)
	}
	return op
}

// operationID is "secretGet" for "secret.get", and ends in the last piece of the
// path when another path has that already: "meStatus".
func (d *document) operationID(at place) string {
	words := strings.Split(at.doc, ".")
	for i, w := range words[1:] {
		words[i+1] = capital(w)
	}
	id := strings.Join(words, "")
	for _, item := range d.Paths {
		for _, op := range item {
			if op != nil && op.OperationID == id {
				return id + capital(at.path[strings.LastIndex(at.path, "/")+1:])
			}
		}
	}
	return id
}

func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

func (d *document) bodyOf(t reflect.Type) *requestBody {
	b := &requestBody{Content: asJSON(d.Components.Schemas.of(t, inRequest))}
	if s := d.Components.Schemas[t.Name()]; s != nil && len(s.Required) > 0 {
		b.Required = true
		return b
	}
	b.Description = "None at all means the same as an empty object."
	return b
}

func (d *document) success(s success) *docResponse {
	r := &docResponse{Description: s.text, Headers: headersOf(s.status)}
	var bodies []*schema
	for _, t := range s.body {
		bodies = append(bodies, d.Components.Schemas.of(t, inAnswer))
	}
	switch {
	case len(bodies) > 1:
		r.Content = asJSON(&schema{OneOf: bodies})
	case len(bodies) == 1:
		r.Content = asJSON(bodies[0])
	}
	return r
}

// addStreams adds to r the bodies that are no JSON.
func (d *document) addStreams(r *docResponse, s streamDoc) {
	if r.Content == nil && len(s.lines)+len(s.plain) > 0 {
		r.Content = map[string]mediaType{}
	}
	if len(s.lines) > 0 {
		line := &schema{Description: "One line."}
		for _, t := range s.lines {
			line.OneOf = append(line.OneOf, d.Components.Schemas.of(t, inAnswer))
		}
		r.Content[typeJSONL] = mediaType{Schema: line}
	}
	maps.Copy(r.Headers, s.headers)
	for _, typ := range s.plain {
		r.Content[typ] = mediaType{Schema: &schema{Type: "string"}}
	}
}

func asJSON(s *schema) map[string]mediaType {
	return map[string]mediaType{"application/json": {Schema: s}}
}

// bearer is how callers say who they are.
var bearer = map[string]securityScheme{
	"bearer": {"http", "bearer", "ask_live_…, ask_agent_… or a JWT", "The key of an owner (`owner_key`) or of an agent (`agent_key`), or a token made from one (`token`). " +
		"The roles of an operation say which of them open it."},
}

// securityFor lets each of the roles in; without any, anyone.
func securityFor(who []string) []security {
	out := []security{}
	for _, role := range slices.Sorted(slices.Values(who)) {
		out = append(out, security{"bearer": {role}})
	}
	return out
}

// aboutAPI is what holds of all operations.
func aboutAPI() string {
	return fmt.Sprintf(strings.ReplaceAll(aboutText, "'", "`"), maxDepth, maxBody>>20, maxImportBody>>20, maxHeader>>10)
}

const aboutText = `Secrets for AI agents, on one machine, without a cloud. The same routes answer on the Unix socket and on TLS.

Send a key or a token as 'Authorization: Bearer …'. Only the secrets routes take a token; a key sent there stands for a one-use token of exactly that request. An operation tells in its roles who may use it.

The body of a request is one JSON object in UTF-8, whatever its Content-Type: no unknown and no duplicate fields, nested at most %d deep, at most %d MiB (an import %d MiB). A field that may be absent may be null, which means the same. Query parameters are taken once each, and none but those described.

Every error is one JSON body with a code; each code goes with one status. What is no path or method of this document is 'NOT_FOUND'; under '/v1/secrets/' what is no path of a secret is 'VALIDATION_ERROR'. Nothing is ever redirected. What is no HTTP request at all, or has headers over %d KiB, is answered in plain text, without a request id.

Where the vault has an approval passphrase, an owner sends it in the 'passphrase' of the very request that needs it: 'STEP_UP_REQUIRED' says where that is. It counts for that request alone. A wrong one makes the next try of that owner wait, up to four seconds, and never locks anybody out; where too many tries wait, it is 'RATE_LIMITED'. A secret in a tier that needs it is reached with a token that was made with it.

In a lockdown whatever opens or changes a secret is 'LOCKED_DOWN', and tokens, requests and approvals from before it have ended; lifting it brings none of them back.

Times are RFC 3339 in UTC. Answers may get further fields.
`
