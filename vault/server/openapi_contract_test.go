package server_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/agent-secret-store/assd/vault/api"
	"github.com/agent-secret-store/assd/vault/server"
)

// contract is the document that the server serves, made strict: an answer is
// checked to hold nothing that is not described.
type contract struct {
	root       any
	operations []*documented

	mu       sync.Mutex
	compiler *jsonschema.Compiler
	schemas  map[string]*jsonschema.Schema // by pointer
	seen     map[string]bool               // "operation outcome"
}

// documentURL is the base of the document's own references.
const documentURL = "https://assd/v1/openapi.json"

// documented is an operation of the document.
type documented struct {
	method, path string
	node
}

// node is a place in the document.
type node struct {
	pointer string
	value   any
}

// theContract is that of the first server that a test has answered by.
var theContract struct {
	sync.Once
	*contract
}

func contractOf(t testing.TB, s *server.Server) *contract {
	t.Helper()
	theContract.Do(func() {
		raw, err := s.Document()
		if err != nil {
			t.Fatal(err)
		}
		theContract.contract = newContract(t, raw)
	})
	if theContract.contract == nil {
		t.Fatal("there is no document to check answers against")
	}
	return theContract.contract
}

func newContract(t testing.TB, raw []byte) *contract {
	t.Helper()
	root, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	c := &contract{root: root, compiler: jsonschema.NewCompiler(), schemas: map[string]*jsonschema.Schema{}, seen: map[string]bool{}}
	for _, s := range c.at("components", "schemas").fields() {
		m := s.value.(map[string]any)
		if _, says := m["additionalProperties"]; m["properties"] != nil && !says {
			m["additionalProperties"] = false
		}
	}
	c.compiler.AssertFormat()
	if err := c.compiler.AddResource(documentURL, root); err != nil {
		t.Fatal(err)
	}
	for path, item := range c.at("paths").fields() {
		for method, op := range item.fields() {
			c.operations = append(c.operations, &documented{strings.ToUpper(method), path, op})
		}
	}
	slices.SortFunc(c.operations, func(a, b *documented) int { return strings.Compare(a.pointer, b.pointer) })
	return c
}

func (c *contract) name(op *documented) string { return c.from(op.node, "operationId").text() }

// at is what the keys lead to from the root; where a reference stands, what it
// refers to. Its value is nil when there is no such place.
func (c *contract) at(keys ...string) node { return c.from(node{"", c.root}, keys...) }

func (c *contract) from(n node, keys ...string) node {
	for _, key := range keys {
		m, _ := n.value.(map[string]any)
		n = c.follow(node{n.pointer + "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(key), m[key]})
	}
	return n
}

func (c *contract) follow(n node) node {
	m, _ := n.value.(map[string]any)
	if ref, ok := m["$ref"].(string); ok && len(m) == 1 {
		return c.at(strings.Split(strings.TrimPrefix(ref, "#/"), "/")...)
	}
	return n
}

// fields are the members of an object.
func (n node) fields() map[string]node {
	out := map[string]node{}
	m, _ := n.value.(map[string]any)
	for key, v := range m {
		out[key] = node{n.pointer + "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(key), v}
	}
	return out
}

func (n node) text() string {
	s, _ := n.value.(string)
	return s
}

// parameters are those of an operation, by where they are and their names.
func (c *contract) parameters(op *documented) map[string]node {
	out := map[string]node{}
	list, _ := c.from(op.node, "parameters").value.([]any)
	for i, p := range list {
		n := c.follow(node{op.pointer + "/parameters/" + strconv.Itoa(i), p})
		out[c.from(n, "in").text()+" "+c.from(n, "name").text()] = n
	}
	return out
}

// fault says how x breaks the schema at n, or "".
func (c *contract) fault(n node, x any) string {
	s, err := c.compile(n)
	if err == nil {
		err = s.Validate(x)
	}
	if err != nil {
		return fmt.Sprintf("%.700v", err)
	}
	return ""
}

func (c *contract) compile(n node) (*jsonschema.Schema, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.schemas[n.pointer]; s != nil {
		return s, nil
	}
	s, err := c.compiler.Compile(documentURL + "#" + (&url.URL{Path: n.pointer}).EscapedPath())
	c.schemas[n.pointer] = s
	return s, err
}

// faultOfText is fault for what stands in a path, a query or a header.
func (c *contract) faultOfText(n node, text string) string {
	if c.from(n, "type").text() == "integer" {
		return c.fault(n, json.Number(text))
	}
	return c.fault(n, text)
}

// check says how an answer, or the request that it lets pass, differs from the
// document, or "".
func (c *contract) check(req *http.Request, body []byte, r reply) string {
	problem := c.checkAnswer(req, r)
	if problem != "" || r.status >= 300 {
		return problem
	}
	op, _ := c.find(req.Method, req.URL.EscapedPath())
	if problem = c.checkRequest(op, req, body); problem != "" {
		return c.name(op) + ": " + problem
	}
	return ""
}

// checkAnswer is check for the answer alone.
func (c *contract) checkAnswer(req *http.Request, r reply) string {
	op, fits := c.find(req.Method, req.URL.EscapedPath())
	switch {
	case !fits && (r.code() == "NOT_FOUND" || op != nil && r.code() == "VALIDATION_ERROR"):
		return ""
	case op == nil:
		return "the document has no such operation"
	case !fits && r.status < 300:
		return c.name(op) + ": the request fits no path of the document"
	}
	c.saw(c.name(op), r)
	response := c.from(op.node, "responses", strconv.Itoa(r.status))
	if response.value == nil {
		return c.name(op) + " is not described to answer so"
	}
	problem := c.checkHeaders(response, r.header)
	if problem == "" {
		problem = c.checkBody(response, r)
	}
	if problem != "" {
		return c.name(op) + ": " + problem
	}
	return ""
}

// saw keeps that an operation has ended so.
func (c *contract) saw(name string, r reply) {
	outcome := r.code()
	if outcome == "" {
		outcome = strconv.Itoa(r.status)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen[name+" "+outcome] = true
}

// httpHeaders are those that need no description.
var httpHeaders = []string{"Content-Type", "Content-Length", "Date", "Connection"}

func (c *contract) checkHeaders(response node, got http.Header) string {
	described := map[string]bool{}
	for name, n := range c.from(response, "headers").fields() {
		values, n := got.Values(name), c.follow(n)
		described[http.CanonicalHeaderKey(name)] = true
		if len(values) == 0 && c.from(n, "required").value == true {
			return "without " + name
		}
		for _, v := range values {
			if problem := c.faultOfText(c.from(n, "schema"), v); problem != "" {
				return name + ": " + problem
			}
		}
	}
	for name := range got {
		if !described[name] && !slices.Contains(httpHeaders, name) {
			return "header " + name + " is not described"
		}
	}
	return ""
}

func (c *contract) checkBody(response node, r reply) string {
	content := c.from(response, "content")
	if content.value == nil {
		if len(r.body) > 0 {
			return "a body that is not described"
		}
		return ""
	}
	typ, _, _ := strings.Cut(r.header.Get("Content-Type"), ";")
	media := c.from(content, typ, "schema")
	if media.value == nil {
		return "a body of a type that is not described: " + typ
	}
	documents := [][]byte{r.body}
	switch {
	case c.from(media, "type").text() == "string":
		return c.fault(media, string(r.body))
	case typ == "application/jsonl" && len(r.body) == 0:
		return ""
	case typ == "application/jsonl":
		documents = bytes.SplitAfter(bytes.TrimSuffix(r.body, []byte("\n")), []byte("\n"))
	}
	for _, text := range documents {
		x, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		if err != nil {
			return err.Error()
		}
		if problem := c.fault(media, x); problem != "" {
			return problem
		}
	}
	return ""
}

// checkRequest checks a request that was let pass: it is one that is described.
func (c *contract) checkRequest(op *documented, req *http.Request, body []byte) string {
	if problem := c.checkRole(op, req.Header.Get("Authorization")); problem != "" {
		return problem
	}
	parameters := c.parameters(op)
	for name, values := range req.URL.Query() {
		p, ok := parameters["query "+name]
		if !ok {
			if c.isOpen(op) {
				continue // where nothing depends on it, it is not looked at
			}
			return "the parameter " + name + " is taken and not described"
		}
		if problem := c.faultOfText(c.from(p, "schema"), values[0]); problem != "" {
			return "the parameter " + name + " is taken: " + problem
		}
	}
	return c.checkSent(c.from(op.node, "requestBody"), body)
}

func (c *contract) isOpen(op *documented) bool {
	list, _ := c.from(op.node, "security").value.([]any)
	return len(list) == 0
}

func (c *contract) checkRole(op *documented, authorization string) string {
	if c.isOpen(op) {
		return ""
	}
	role := "nobody"
	if parts := strings.Fields(authorization); len(parts) == 2 {
		switch role = "token"; {
		case strings.HasPrefix(parts[1], api.OwnerKeyPrefix):
			role = "owner_key"
		case strings.HasPrefix(parts[1], api.AgentKeyPrefix):
			role = "agent_key"
		}
	}
	for _, s := range c.from(op.node, "security").value.([]any) {
		if roles, _ := s.(map[string]any)["bearer"].([]any); slices.Contains(roles, any(role)) {
			return ""
		}
	}
	return "it is open to " + role
}

func (c *contract) checkSent(described node, body []byte) string {
	if described.value == nil {
		return "" // it is not read
	}
	if len(bytes.TrimSpace(body)) == 0 {
		if c.from(described, "required").value == true {
			return "a request without its body is taken"
		}
		return ""
	}
	x, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return "a body is taken: " + err.Error()
	}
	if problem := c.fault(c.from(described, "content", "application/json", "schema"), x); problem != "" {
		return "a body is taken: " + problem
	}
	return ""
}

// checkDocumented checks an answer to a request sent as raw bytes against the
// document. What net/http answers by itself has no request id.
func (d *daemon) checkDocumented(raw string, r reply) {
	d.t.Helper()
	if r.header.Get("X-Request-Id") == "" {
		return
	}
	req, err := http.ReadRequest(bufio.NewReader(strings.NewReader(raw)))
	if err != nil {
		d.t.Errorf("answered what is no request: %.120q: %v", raw, err)
		return
	}
	body, _ := io.ReadAll(req.Body) // cut off on purpose by some tests
	if problem := contractOf(d.t, d.srv).check(req, body, r); problem != "" {
		d.t.Errorf("not as the document says: %.160q: %s\n%d %.300s", raw, problem, r.status, r.body)
	}
}
