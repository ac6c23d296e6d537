package server_test

import (
	"bytes"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/vault/api"
	"github.com/agent-secret-store/assd/vault/server"
)

// document is the document that a daemon serves.
func (d *daemon) document() []byte {
	d.t.Helper()
	return d.want(d.call("GET", "/v1/openapi.json", "", ""), "").body
}

// TestDocumentIsServed: to anyone, always the same, with the version of assd.
func TestDocumentIsServed(t *testing.T) {
	d := start(t)
	first := d.document()
	other := server.New(server.Config{Vault: d.vault, Log: d.logger(), Version: "9.9.9"})
	again, err := other.Document()
	if err != nil || !bytes.Equal(bytes.TrimSpace(first), again) {
		t.Errorf("another server of this version describes another API: %v", err)
	}
	var doc struct {
		OpenAPI string
		Info    struct{ Version string }
	}
	if err := json.Unmarshal(first, &doc); err != nil || doc.OpenAPI != "3.1.0" || doc.Info.Version != "9.9.9" {
		t.Errorf("%+v, %v", doc, err)
	}
	d.want(d.call("GET", "/v1/openapi.json?format=yaml", "", ""), "VALIDATION_ERROR")
}

// TestDocumentValidates holds it against the schema of OpenAPI 3.1 itself:
// https://spec.openapis.org/oas/3.1/schema/2022-10-07, under the Apache License
// 2.0, by the OpenAPI Initiative; and each schema in it against JSON Schema.
func TestDocumentValidates(t *testing.T) {
	d := start(t)
	official, err := os.Open(filepath.Join("testdata", "openapi-3.1-schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	defer official.Close()
	x, err := jsonschema.UnmarshalJSON(official)
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	if err := compiler.AddResource("https://spec.openapis.org/oas/3.1/schema/2022-10-07", x); err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(d.document()))
	if err != nil {
		t.Fatal(err)
	}
	if err := compiler.MustCompile("https://spec.openapis.org/oas/3.1/schema/2022-10-07").Validate(doc); err != nil {
		t.Errorf("%#v", err)
	}
	c := newContract(t, d.document())
	c.walk(node{"", c.root}, func(n node, key string) {
		if key == "schema" {
			if _, err := c.compile(n); err != nil {
				t.Errorf("%s: %v", n.pointer, err)
			}
		}
	})
}

// walk calls visit with everything in n, and the key it stands under.
func (c *contract) walk(n node, visit func(n node, key string)) {
	for key, child := range n.fields() {
		visit(child, key)
		c.walk(child, visit)
	}
	list, _ := n.value.([]any)
	for i, x := range list {
		c.walk(node{n.pointer + "/" + strconv.Itoa(i), x}, visit)
	}
}

// TestDocumentHangsTogether: references lead somewhere, everything that is kept
// to be referred to is, names are unique, and everything is described.
func TestDocumentHangsTogether(t *testing.T) {
	c := newContract(t, start(t).document())
	used := map[string]bool{}
	c.walk(node{"", c.root}, func(n node, key string) {
		if key != "$ref" {
			return
		}
		used[strings.TrimPrefix(n.text(), "#")] = true
		if c.at(strings.Split(strings.TrimPrefix(n.text(), "#/"), "/")...).value == nil {
			t.Errorf("%s leads nowhere: %s", n.pointer, n.text())
		}
	})
	for kind, list := range c.at("components").fields() {
		for _, n := range list.fields() {
			if kind != "securitySchemes" && !used[n.pointer] {
				t.Errorf("nothing refers to %s", n.pointer)
			}
			if c.from(n, "description").text() == "" {
				t.Errorf("%s is not described", n.pointer)
			}
		}
	}
	tags, ids := asJSON(c.at("tags").value), map[string]bool{}
	for _, op := range c.operations {
		tag := c.from(op.node, "tags").value.([]any)[0].(string)
		if !strings.Contains(tags, `"name":"`+tag+`"`) || c.from(op.node, "summary").text() == "" || ids[c.name(op)] {
			t.Errorf("%s: tag %q, summary %q, or its name is not the only one", c.name(op), tag, c.from(op.node, "summary").text())
		}
		ids[c.name(op)] = true
	}
}

// TestDocumentHasTheRoutes: all of the table, and nothing else.
func TestDocumentHasTheRoutes(t *testing.T) {
	d := start(t)
	var want, got []string
	for _, rt := range d.srv.Routes() {
		method, pattern := rt[0], rt[1]
		want = append(want, method+" "+strings.Replace(pattern, "{path}", "{namespace}/{key}", 1))
		if method == "GET" && strings.HasSuffix(pattern, "{path}") {
			want = append(want, method+" "+strings.Replace(pattern, "{path}", "{namespace}", 1))
		}
	}
	c := newContract(t, d.document())
	for _, op := range c.operations {
		got = append(got, op.method+" "+op.path)
		for _, name := range regexp.MustCompile(`\{(\w+)\}`).FindAllStringSubmatch(op.path, -1) {
			if c.parameters(op)["path "+name[1]].value == nil {
				t.Errorf("%s %s does not describe %s", op.method, op.path, name[1])
			}
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("routes (-table +document):\n%s", diff)
	}
}

// wireField is a field of a wire type, as its source has it.
type wireField struct{ may, null bool }

// wireTypes reads the source of package api: of each exported struct with names
// for the wire, its fields.
func wireTypes(t *testing.T) map[string]map[string]wireField {
	t.Helper()
	files, err := filepath.Glob("../api/*.go")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	structs := map[string]*ast.StructType{}
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if spec, ok := n.(*ast.TypeSpec); ok {
				if s, ok := spec.Type.(*ast.StructType); ok && spec.Name.IsExported() {
					structs[spec.Name.Name] = s
				}
			}
			return true
		})
	}
	out := map[string]map[string]wireField{}
	for name := range structs {
		if fields := fieldsOf(structs, name); len(fields) > 0 {
			out[name] = fields
		}
	}
	return out
}

func fieldsOf(structs map[string]*ast.StructType, name string) map[string]wireField {
	out := map[string]wireField{}
	for _, f := range structs[name].Fields.List {
		if len(f.Names) == 0 {
			maps.Copy(out, fieldsOf(structs, f.Type.(*ast.Ident).Name))
			continue
		}
		if f.Tag == nil {
			continue
		}
		text, _ := strconv.Unquote(f.Tag.Value)
		wire, options, _ := strings.Cut(reflect.StructTag(text).Get("json"), ",")
		if _, pointer := f.Type.(*ast.StarExpr); wire != "" && wire != "-" {
			out[wire] = wireField{may: strings.Contains(options, "omit"), null: pointer}
		}
	}
	return out
}

// TestDocumentHasTheFields: each wire type is in the document with all its
// fields and no others, those required that are always there, each described.
func TestDocumentHasTheFields(t *testing.T) {
	c := newContract(t, start(t).document())
	types := wireTypes(t)
	names := append(slices.Collect(maps.Keys(types)), "ErrorCode") // which is no struct
	slices.Sort(names)
	if diff := cmp.Diff(names, c.schemaNames()); diff != "" {
		t.Fatalf("types (-source +document):\n%s", diff)
	}
	for name, fields := range types {
		s := c.at("components", "schemas", name)
		properties := c.from(s, "properties").fields()
		if diff := cmp.Diff(slices.Sorted(maps.Keys(fields)), slices.Sorted(maps.Keys(properties))); diff != "" {
			t.Errorf("%s (-source +document):\n%s", name, diff)
			continue
		}
		required, _ := c.from(s, "required").value.([]any)
		for wire, f := range fields {
			p := properties[wire]
			if slices.Contains(required, any(wire)) == f.may {
				t.Errorf("%s.%s: required is %v", name, wire, !f.may)
			}
			request := c.isRequest(name)
			if null := c.fault(p, nil) == ""; null != (request && f.may || !request && f.null && !f.may) && wire != "metadata" {
				t.Errorf("%s.%s: null is taken: %v", name, wire, null)
			}
			if m, _ := p.value.(map[string]any); m["description"] == nil || m["description"] == "" {
				t.Errorf("%s.%s is not described", name, wire)
			}
		}
	}
	checkNoStaleFields(t, types)
}

// isRequest reports whether the schema is of what clients send.
func (c *contract) isRequest(name string) bool {
	for _, op := range c.operations {
		s := op.fields()["requestBody"]
		if strings.Contains(asJSON(s.value), `"#/components/schemas/`+name+`"`) {
			return true
		}
	}
	return false
}

// checkNoStaleFields checks that no field is described that there is not.
func checkNoStaleFields(t *testing.T, types map[string]map[string]wireField) {
	t.Helper()
	for _, field := range server.DescribedFields() {
		name, wire, _ := strings.Cut(field, ".")
		if _, ok := types[name][wire]; !ok {
			t.Errorf("%s is described, and there is no such field", field)
		}
	}
	for _, name := range server.DescribedTypes() {
		if types[name] == nil {
			t.Errorf("%s is described, and there is no such type", name)
		}
	}
}

// TestRequestsAreClosed: what clients send holds no other fields, what they are
// answered may one day.
func TestRequestsAreClosed(t *testing.T) {
	d := start(t)
	raw := d.document()
	c := newContract(t, raw)
	var doc struct {
		Components struct {
			Schemas map[string]struct{ AdditionalProperties any }
		}
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		t.Fatal(err)
	}
	closed := 0
	for name, s := range doc.Components.Schemas {
		if says := s.AdditionalProperties; (says == false) != c.isRequest(name) || says != false && says != nil {
			t.Errorf("%s: additionalProperties is %v", name, says)
		}
		if c.isRequest(name) {
			closed++
		}
	}
	if closed != 22 {
		t.Errorf("%d kinds of request; want 22", closed)
	}
}

// codeNames are the constants of the codes in the source of package api.
func codeNames(t *testing.T) map[string]string {
	t.Helper()
	source, err := os.ReadFile("../api/errors.go")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^\t(Code\w+) +Code = "(\w+)"$`).FindAllStringSubmatch(string(source), -1) {
		out[m[1]] = m[2]
	}
	if len(out) < 10 {
		t.Fatalf("only %d codes in the source", len(out))
	}
	return out
}

// usedCodes are those that the source of the vault or of the server mentions.
func usedCodes(t *testing.T) map[string]bool {
	t.Helper()
	names, out := codeNames(t), map[string]bool{}
	files, _ := filepath.Glob("../*.go")
	own, _ := filepath.Glob("*.go")
	for _, name := range append(files, own...) {
		if strings.HasSuffix(name, "_test.go") || strings.HasPrefix(name, "openapi") {
			continue
		}
		source, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`\bapi\.(Code\w+)`).FindAllStringSubmatch(string(source), -1) {
			if code, ok := names[m[1]]; ok {
				out[code] = true
			}
		}
	}
	return out
}

// TestDocumentHasTheCodes: the list of codes is that of package api, each with
// its status; those that can be answered, and only those, stand at an operation,
// under their status.
func TestDocumentHasTheCodes(t *testing.T) {
	c := newContract(t, start(t).document())
	var listed []string
	for _, code := range c.at("components", "schemas", "ErrorCode", "enum").value.([]any) {
		listed = append(listed, code.(string))
		row := "`" + code.(string) + "` " + strconv.Itoa(api.Code(code.(string)).Status()) + ": "
		if !strings.Contains(c.at("components", "schemas", "ErrorCode", "description").text(), row) {
			t.Errorf("the description has no %q", row)
		}
	}
	slices.Sort(listed)
	if diff := cmp.Diff(slices.Sorted(maps.Values(codeNames(t))), listed); diff != "" {
		t.Errorf("codes (-source +document):\n%s", diff)
	}
	answered := map[string]bool{}
	for _, op := range c.operations {
		for status := range c.from(op.node, "responses").fields() {
			for _, code := range c.codes(op, status) {
				answered[code] = true
				if strconv.Itoa(api.Code(code).Status()) != status {
					t.Errorf("%s: %s under %s", c.name(op), code, status)
				}
			}
		}
	}
	if diff := cmp.Diff(usedCodes(t), answered); diff != "" {
		t.Errorf("codes that can be answered (-source +document):\n%s", diff)
	}
}

// samplePath is a path of the operation, with an example for each variable.
func samplePath(path string) string {
	return strings.NewReplacer("{namespace}", "a", "{key}", "K", "{id}", "nobody").Replace(path)
}

// TestDocumentSaysWhoMayCome: what is open to anyone is, and nothing else.
func TestDocumentSaysWhoMayCome(t *testing.T) {
	d := start(t)
	c := newContract(t, d.document())
	for _, op := range c.operations {
		r := d.call(op.method, samplePath(op.path)+c.sampleQuery(op, ""), "", "")
		if open := r.code() != "UNAUTHORIZED"; open != c.isOpen(op) {
			t.Errorf("%s %s: open is %v in the document; got %d %.200s", op.method, op.path, c.isOpen(op), r.status, r.body)
		}
	}
}

// sampleQuery is the query of the operation with an example of the parameter of
// that name, and of those that it needs.
func (c *contract) sampleQuery(op *documented, name string) string {
	q := url.Values{}
	for where, p := range c.parameters(op) {
		at, ok := strings.CutPrefix(where, "query ")
		ends := at == "wait" && c.name(op) == "auditFollow" // it has no end of its own
		if ok && (at == name || ends || c.from(p, "required").value == true) {
			q.Set(at, strings.Trim(asJSON(c.from(p, "example").value), `"`))
		}
	}
	if len(q) == 0 {
		return ""
	}
	return "?" + q.Encode()
}

// TestDocumentedQueries: each parameter of the document is taken with its
// example.
func TestDocumentedQueries(t *testing.T) {
	d := start(t)
	d.put("a/K", "v")
	d.agent("ci-deploy", `["secrets:read:*"]`, `[]`)
	approval := d.approval()
	c := newContract(t, d.document())
	taken := 0
	for _, op := range c.operations {
		for where, p := range c.parameters(op) {
			name, ok := strings.CutPrefix(where, "query ")
			if !ok {
				continue
			}
			taken++
			example := strings.Trim(asJSON(c.from(p, "example").value), `"`)
			if problem := c.faultOfText(c.from(p, "schema"), example); problem != "" {
				t.Errorf("%s: the example of %s: %s", c.name(op), name, problem)
			}
			target := strings.ReplaceAll(samplePath(op.path), "nobody", approval) + c.sampleQuery(op, name)
			if name == "cursor" { // one of the document's is of no vault
				target = strings.Replace(target, example, audit.Filter{}.Cursor(d.vault.Tenant(), 1000), 1)
			}
			d.want(d.call(op.method, target, d.owner, ""), "")
		}
	}
	if taken < 17 {
		t.Errorf("only %d parameters in the document", taken)
	}
}

// TestDocumentedBounds: what the document bounds is taken at the bound and
// refused one beyond it.
func TestDocumentedBounds(t *testing.T) {
	d := start(t)
	c := newContract(t, d.document())
	text := func(n int) any { return strings.Repeat("v", n) }
	list := func(entry string) func(int) any {
		return func(n int) any { return slices.Repeat([]string{entry}, n) }
	}
	number := func(n int) any { return n }
	for _, tc := range []struct {
		line, schema, field, bound string
		at                         func(int) any
		body                       map[string]any
	}{
		{"PUT /v1/secrets/a/K", "SecretWrite", "value", "maxLength", text, nil},
		{"POST /v1/agents", "AgentCreate", "name", "maxLength", text, nil},
		{"POST /v1/agents", "AgentCreate", "description", "maxLength", text, map[string]any{"name": "d"}},
		{"POST /v1/agents", "AgentCreate", "allowed_namespaces", "maxItems", list("a"), map[string]any{"name": "ns"}},
		{"POST /v1/agents", "AgentCreate", "allowed_scopes", "maxItems", list("read:secrets"), map[string]any{"name": "s"}},
		{"POST /v1/tokens", "TokenRequest", "scopes", "maxItems", list("read:secrets"), nil},
		{"POST /v1/tokens", "TokenRequest", "ip_allowlist", "maxItems", list("local"), map[string]any{"scopes": []string{"read:secrets"}}},
		{"POST /v1/tokens", "TokenRequest", "max_uses", "maximum", number, map[string]any{"scopes": []string{"read:secrets"}}},
		{"POST /v1/approvals/" + d.approval() + "/approve", "ApprovalDecision", "reason", "maxLength", text, nil},
		{"POST /v1/secrets/a/K/rotate", "SecretRotate", "value", "maxLength", text, nil},
		{"POST /v1/secrets/a/K/rotate", "SecretRotate", "new_value", "maxLength", text, nil},
		{"POST /v1/vault/lockdown", "LockdownRequest", "reason", "maxLength", text, nil},
		{"POST /v1/vault/lift", "LiftRequest", "reason", "maxLength", text, nil},
	} {
		method, target, _ := strings.Cut(tc.line, " ")
		number, _ := c.at("components", "schemas", tc.schema, "properties", tc.field, tc.bound).value.(json.Number)
		bound, err := strconv.Atoi(number.String())
		if err != nil {
			t.Errorf("%s.%s has no %s", tc.schema, tc.field, tc.bound)
			continue
		}
		body := map[string]any{tc.field: tc.at(bound)}
		maps.Copy(body, tc.body)
		d.want(d.call(method, target, d.owner, asJSON(body)), "")
		body[tc.field] = tc.at(bound + 1)
		r := d.call(method, target, d.owner, asJSON(body))
		if r.status != 400 && r.status != 413 || !strings.HasPrefix(r.message(), strings.TrimPrefix(tc.field, "new_")+": ") {
			t.Errorf("%s.%s beyond %d: %d %.200s", tc.schema, tc.field, bound, r.status, r.body)
		}
	}
}

// approval is the id of a request that waits.
func (d *daemon) approval() string {
	d.t.Helper()
	d.want(d.call("PUT", "/v1/secrets/a/HOT", d.owner, `{"value":"v","access_tier":"sensitive"}`), "")
	r := d.want(d.call("GET", "/v1/secrets/a/HOT", d.agent("asks", `["secrets:read:*"]`, `[]`), ""), "APPROVAL_REQUIRED")
	var body api.ErrorBody
	if err := json.Unmarshal(r.body, &body); err != nil || body.ApprovalID == "" {
		d.t.Fatalf("%v %s", err, r.body)
	}
	return body.ApprovalID
}
