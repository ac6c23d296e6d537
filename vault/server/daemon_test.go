package server_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/agent-secret-store/assd/vault"
	"github.com/agent-secret-store/assd/vault/api"
	"github.com/agent-secret-store/assd/vault/server"
)

// daemon is a real vault, claimed, behind a real server on a real socket. Every
// answer that it gives is checked for what holds of all answers; at the end
// nothing that was marked as secret may stand in its log or its files, and the
// vault must verify.
type daemon struct {
	t        testing.TB
	cfg      vault.Config
	vault    *vault.Vault
	srv      *server.Server
	socket   string
	owner    string // key of its owner
	recovery string // passphrase, where it has one
	served   chan error
	broken   bool // on purpose: it need not verify

	mu      sync.Mutex
	secrets []string     // what must never show
	log     bytes.Buffer // of the daemon, at its most talkative
}

// Write makes d the output of its own log.
func (d *daemon) Write(b []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.log.Write(b)
}

// patience is how long a test waits for what has to come, however slow the machine. It is
// less than the 25 seconds after which a server leaves who does not take its answer.
const patience = 20 * time.Second

func start(t testing.TB) *daemon {
	t.Helper()
	d := unclaimed(t)
	claim, err := d.vault.Claim(context.Background(), "olga", vault.Origin{Local: true}, api.ClaimRequest{})
	if err != nil {
		t.Fatal(err)
	}
	d.owner = d.secret(claim.OwnerKey)
	return d
}

// unclaimed is a daemon whose vault has no owner yet.
func unclaimed(t testing.TB) *daemon {
	t.Helper()
	d := &daemon{t: t, socket: filepath.Join(socketDir(t), "run", "s")}
	d.cfg = vault.Config{Dir: filepath.Join(t.TempDir(), "data"), Log: d.logger()}
	d.cfg.Argon2.MemoryKiB, d.cfg.Argon2.Time, d.cfg.Argon2.Threads = 64<<10, 1, 1 // the cheapest there is
	d.cfg.RotationAnswer = 100 * time.Millisecond
	d.serve(vault.Create)
	t.Cleanup(d.end)
	return d
}

func (d *daemon) logger() hclog.Logger {
	return hclog.New(&hclog.LoggerOptions{Level: hclog.Trace, Output: d})
}

// serve opens the vault and answers on the socket.
func (d *daemon) serve(open func(vault.Config) (*vault.Vault, error)) {
	d.t.Helper()
	var err error
	if d.vault, err = open(d.cfg); err != nil {
		d.t.Fatal(err)
	}
	d.srv = server.New(server.Config{
		Vault: d.vault, Log: d.logger(), Version: "9.9.9",
		MayClaim: func(uid int) bool { return uid == os.Geteuid() },
	})
	l, err := server.ListenUnix(server.SocketConfig{Path: d.socket})
	if err != nil {
		d.t.Fatal(err)
	}
	d.served = make(chan error, 1)
	go func() { d.served <- d.srv.Serve(l) }()
}

// stop drains and closes.
func (d *daemon) stop() {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := d.srv.Shutdown(ctx); err != nil {
		d.t.Errorf("shutting down: %v", err)
	}
	if err := <-d.served; err != nil {
		d.t.Errorf("serving: %v", err)
	}
	if err := d.vault.Close(); err != nil {
		d.t.Errorf("closing the vault: %v", err)
	}
}

// end stops the daemon and looks at what it leaves.
func (d *daemon) end() {
	d.stop()
	rep, err := vault.Verify(context.Background(), d.cfg)
	if err != nil || rep.Problem != "" && !d.broken {
		d.t.Errorf("the vault does not verify: %v %q", err, rep.Problem)
	}
	d.checkLeft()
}

// checkLeft looks for secrets in the log and in the data files.
func (d *daemon) checkLeft() {
	d.t.Helper()
	db, err := os.ReadFile(filepath.Join(d.cfg.Dir, "vault.db"))
	if err != nil {
		d.t.Error(err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, s := range d.secrets {
		if bytes.Contains(d.log.Bytes(), []byte(s)) {
			d.t.Errorf("the log holds the secret %.14q…", s)
		}
		if bytes.Contains(db, []byte(s)) {
			d.t.Errorf("the data file holds the secret %.14q…", s)
		}
	}
}

// secret marks s as something that must never show, and returns it.
func (d *daemon) secret(s string) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.secrets = append(d.secrets, s)
	return s
}

// reply is an answer as it came.
type reply struct {
	status int
	header http.Header
	body   []byte
}

// send sends raw bytes on a connection of their own and reads one answer.
func (d *daemon) send(raw string) reply {
	d.t.Helper()
	c, err := net.Dial("unix", d.socket)
	if err != nil {
		d.t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(90 * time.Second)) // a poll may take a minute
	go c.Write([]byte(raw))                         // may be refused before it is read to its end
	method, _, _ := strings.Cut(raw, " ")
	res, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: method})
	if err != nil {
		d.t.Fatalf("no answer to %.80q: %v", raw, err)
	}
	defer res.Body.Close()
	var body bytes.Buffer
	// net/http's own answer to a head that is too long ends in a reset.
	if _, err := body.ReadFrom(res.Body); err != nil && res.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		d.t.Fatalf("half an answer to %.80q: %v", raw, err)
	}
	r := reply{res.StatusCode, res.Header, body.Bytes()}
	d.checkDocumented(raw, r)
	return r
}

// call is one request, its target sent as it stands, and the checked answer.
func (d *daemon) call(method, target, key, body string, headers ...string) reply {
	d.t.Helper()
	var b strings.Builder
	b.WriteString(method + " " + target + " HTTP/1.1\r\nHost: assd\r\nConnection: close\r\n")
	if key != "" {
		b.WriteString("Authorization: Bearer " + key + "\r\n")
	}
	for _, h := range headers {
		b.WriteString(h + "\r\n")
	}
	b.WriteString("Content-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body)
	r := d.send(b.String())
	d.checkReply(method+" "+target, r)
	return r
}

// checkReply checks what holds of every answer.
func (d *daemon) checkReply(what string, r reply) {
	d.t.Helper()
	if problem := faultOf(r); problem != "" {
		d.t.Errorf("%.120s: %s\n%d %v\n%.300s", what, problem, r.status, r.header, r.body)
	}
	if r.status < 400 {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, s := range d.secrets {
		if bytes.Contains(r.body, []byte(s)) {
			d.t.Errorf("%.120s: the error holds the secret %.14q…: %.300s", what, s, r.body)
		}
	}
}

// codeStatus are the errors that there are, with their statuses.
var codeStatus = map[string]int{
	"VALIDATION_ERROR": 400, "UNAUTHORIZED": 401, "SCOPE_DENIED": 403, "APPROVAL_REQUIRED": 403,
	"STEP_UP_REQUIRED": 403, "LOCKED_DOWN": 403,
	"SECRET_NOT_FOUND": 404, "NOT_FOUND": 404, "CONFLICT": 409, "PAYLOAD_TOO_LARGE": 413,
	"RATE_LIMITED": 429, "SEALED": 503, "STORAGE_FULL": 507, "INTERNAL": 500,
}

// streams are the types of what is no JSON document.
var streams = []string{"application/jsonl; charset=utf-8", "text/csv; charset=utf-8; header=present", "text/event-stream; charset=utf-8", "application/octet-stream"}

// faultOf says which of the rules for all answers r breaks, or "".
func faultOf(r reply) string {
	switch {
	case r.header.Get("Cache-Control") != "no-store":
		return "it may be cached"
	case !isID(r.header.Get("X-Request-Id"), "req"):
		return "it has no request id"
	case r.status == http.StatusNoContent:
		if len(r.body) > 0 || r.header.Get("Content-Type") != "" {
			return "204 with a body or a Content-Type"
		}
		return ""
	case r.status == http.StatusOK && slices.Contains(streams, r.header.Get("Content-Type")):
		return ""
	case r.header.Get("Content-Type") != "application/json; charset=utf-8":
		return "it is not JSON by its type"
	case r.status == http.StatusOK, r.status == http.StatusAccepted:
		if !json.Valid(r.body) {
			return "its body is not JSON"
		}
		return ""
	}
	return errorFault(r)
}

func errorFault(r reply) string {
	var body struct {
		Error struct {
			Code, Message, Hint string
			Details             map[string]any
		}
		Detail string
		ID     string `json:"approval_id"`
	}
	dec := json.NewDecoder(bytes.NewReader(r.body))
	dec.DisallowUnknownFields()
	switch err := dec.Decode(&body); {
	case err != nil:
		return "the error's body: " + err.Error()
	case codeStatus[body.Error.Code] != r.status:
		return "the status does not go with the code"
	case body.Error.Message == "" || body.Detail != body.Error.Message:
		return "detail is not the message"
	case r.status == http.StatusUnauthorized && r.header.Get("WWW-Authenticate") == "":
		return "401 without WWW-Authenticate"
	}
	return ""
}

// isID reports whether s is an id of the kind.
func isID(s, kind string) bool {
	rest, ok := strings.CutPrefix(s, kind+"_")
	return ok && len(rest) == 26
}

// code is the error's code, or "" for a success.
func (r reply) code() string {
	var body api.ErrorBody
	if r.status < 400 || json.Unmarshal(r.body, &body) != nil {
		return ""
	}
	return string(body.Error.Code)
}

// message is the error's message.
func (r reply) message() string {
	var body api.ErrorBody
	if json.Unmarshal(r.body, &body) != nil {
		return ""
	}
	return body.Error.Message
}

// want fails unless r has that code; "" is success.
func (d *daemon) want(r reply, code string) reply {
	d.t.Helper()
	if r.code() != code || code == "" && r.status >= 300 {
		d.t.Fatalf("got %d %.300s; want %q", r.status, r.body, code)
	}
	return r
}

// into decodes a success.
func into[T any](d *daemon, r reply) (out T) {
	d.t.Helper()
	d.want(r, "")
	if err := json.Unmarshal(r.body, &out); err != nil {
		d.t.Fatal(err)
	}
	return out
}

// put stores a secret as the owner.
func (d *daemon) put(path, value string) api.SecretInfo {
	d.t.Helper()
	return into[api.SecretInfo](d, d.call("PUT", "/v1/secrets/"+path, d.owner, asJSON(map[string]any{"value": value})))
}

// agent makes an agent and returns its key; scopes and namespaces as JSON.
func (d *daemon) agent(name, scopes, namespaces string) string {
	d.t.Helper()
	body := `{"name":"` + name + `","allowed_scopes":` + scopes + `,"allowed_namespaces":` + namespaces + `}`
	return d.secret(into[api.AgentCreated](d, d.call("POST", "/v1/agents", d.owner, body)).APIKey)
}

// token makes a token of key's holder with these scopes.
func (d *daemon) token(key string, scopes ...string) string {
	d.t.Helper()
	r := d.call("POST", "/v1/tokens", key, asJSON(map[string]any{"scopes": scopes}))
	return d.secret(into[api.TokenResponse](d, r).Token)
}

// events is the whole trail, newest first.
func (d *daemon) events() []api.AuditEvent {
	d.t.Helper()
	return into[api.AuditPage](d, d.call("GET", "/v1/audit?limit=1000", d.owner, "")).Events
}

// since is the trail after the event with that number, oldest first.
func (d *daemon) since(seq uint64) []api.AuditEvent {
	d.t.Helper()
	var out []api.AuditEvent
	for _, e := range d.events() {
		if e.Seq > seq {
			out = append(out, e)
		}
	}
	slices.Reverse(out)
	return out
}

// last is the number of the newest event.
func (d *daemon) last() uint64 {
	d.t.Helper()
	return into[api.AuditPage](d, d.call("GET", "/v1/audit?limit=1", d.owner, "")).Events[0].Seq
}

// actions are the actions of events.
func actions(events []api.AuditEvent) []string {
	out := []string{}
	for _, e := range events {
		out = append(out, e.Action)
	}
	return out
}

// state is all that a refused request must leave as it was.
func (d *daemon) state() string {
	d.t.Helper()
	var b strings.Builder
	for _, target := range []string{"/v1/agents", "/v1/tokens"} {
		b.Write(d.want(d.call("GET", target, d.owner, ""), "").body)
	}
	d.want(d.call("GET", "/v1/secrets", d.owner, ""), "") // leaves two events
	list := d.call("GET", "/v1/secrets", d.owner, "").body
	return b.String() + string(list)
}

func asJSON(x any) string {
	b, err := json.Marshal(x)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// socketDir is a folder with a short path: a socket's path is bounded.
func socketDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "assd")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}
