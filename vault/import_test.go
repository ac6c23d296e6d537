package vault_test

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/policy"
	"github.com/agent-secret-store/assd/vault/api"
	"github.com/agent-secret-store/assd/vault/dotenv"
)

func init() { children["fullimport"] = fullImportChild }

// importAs imports a text into app/env.
func (h *house) importAs(who, text string, options ...func(*api.ImportRequest)) (api.ImportResponse, error) {
	h.t.Helper()
	want := api.ImportRequest{Namespace: "app/env", Content: &text}
	for _, o := range options {
		o(&want)
	}
	return h.v.Import(ctx, h.as(who), want)
}

func (h *house) mustImport(who, text string, options ...func(*api.ImportRequest)) api.ImportResponse {
	h.t.Helper()
	got, err := h.importAs(who, text, options...)
	if err != nil {
		h.t.Fatalf("importing: %v", err)
	}
	return got
}

func ofTier(t string) func(*api.ImportRequest) {
	return func(w *api.ImportRequest) { w.AccessTier = t }
}
func keeping(w *api.ImportRequest) { w.Overwrite = ptr(false) }
func dry(w *api.ImportRequest)     { w.DryRun = true }

// all is every secret that there is, by its path.
func (h *house) all() map[string]api.SecretInfo {
	h.t.Helper()
	list, err := h.v.List(ctx, h.as(h.owner), policy.Namespace{})
	if err != nil {
		h.t.Fatalf("listing: %v", err)
	}
	out := map[string]api.SecretInfo{}
	for _, s := range list.Items {
		out[s.Namespace+"/"+s.Key] = s
	}
	return out
}

// counted is how many secrets the vault says that app/env has.
func (h *house) counted() int {
	h.t.Helper()
	list, err := h.v.Namespaces(ctx, h.as(h.owner))
	if err != nil {
		h.t.Fatalf("listing namespaces: %v", err)
	}
	for _, n := range list {
		if n.Name == "app/env" {
			return n.SecretCount
		}
	}
	return 0
}

// since is what the events after the first seq say, oldest first.
func (h *house) since(seq uint64) (out []string) {
	h.t.Helper()
	for _, ev := range h.trail(audit.Filter{}) {
		if ev.Seq > seq {
			out = append(out, strings.TrimRight(fmt.Sprintf("%s %s/%s %d %s", ev.Action, ev.Namespace, ev.Key, ev.Version, ev.Reason), " "))
		}
	}
	return out
}

func diff(t tb, what string, got, want any) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

func TestImport(t *testing.T) {
	h := newHouse(t)
	h.mustPut(h.owner, "app/env/B", "old")
	h.mustPut(h.owner, "app/env/sub/A", "not meant")
	before := h.events()
	got := h.mustImport(h.owner, "Z=1\nB='two\nlines'\n# c\nexport A=\n", func(w *api.ImportRequest) {
		w.SecretType, w.Metadata = "api_key", map[string]any{"from": "file"}
	})
	names := []string{"Z", "B", "A"}
	diff(t, "the answer", got, api.ImportResponse{Namespace: "app/env", Imported: names, ImportedCount: 3, Keys: names})
	diff(t, "the trail", h.since(before), []string{
		"token.create / 0 for secrets:write:app/env/*, one use by the key itself",
		"secret.write app/env/Z 1", "secret.write app/env/B 2", "secret.write app/env/A 1",
		"secret.import app/env/ 0 3 stored, 0 skipped",
	})
	h.reopen()
	h.mustGet(h.owner, "app/env/Z", "1")
	h.mustGet(h.owner, "app/env/A", "")
	h.mustGet(h.owner, "app/env/sub/A", "not meant")
	r, _, err := h.v.Get(ctx, h.as(h.owner), policy.RequestPath{Pieces: 2, Path: path(t, "app/env/B")}, 0)
	if err != nil {
		t.Fatal(err)
	}
	if string(r.Value.Reveal()) != "two\nlines" || r.Version != 2 || r.SecretType != "api_key" || r.AccessTier != "standard" || r.Metadata["from"] != "file" {
		t.Errorf("B is %q %+v", r.Value.Reveal(), r.SecretInfo)
	}
	if n := h.counted(); n != 3 {
		t.Errorf("the namespace counts %d secrets, want 3", n)
	}
}

func TestImportRefusesBadRequests(t *testing.T) {
	h := newHouse(t)
	before, events := h.all(), h.events()
	long := strings.Repeat("x", 129)
	for _, c := range []struct {
		name string
		with func(*api.ImportRequest)
		code api.Code
		says string
	}{
		{"no content", func(w *api.ImportRequest) { w.Content = nil }, api.CodeValidation, "content: missing"},
		{"empty", func(w *api.ImportRequest) { w.Content = ptr("") }, api.CodeValidation, "content: there is no NAME=value in it"},
		{"comments", func(w *api.ImportRequest) { w.Content = ptr("# hunter2\n\n") }, api.CodeValidation, "content: there is no NAME=value in it"},
		{"no namespace", func(w *api.ImportRequest) { w.Namespace = "" }, api.CodeValidation, "namespace: namespace is empty"},
		{"a bad namespace", func(w *api.ImportRequest) { w.Namespace = "a/../b" }, api.CodeValidation, `namespace: namespace segment 2 must not be "." or ".."`},
		{"a bad type", func(w *api.ImportRequest) { w.SecretType = "x" }, api.CodeValidation, "secret_type: "},
		{"a bad tier", func(w *api.ImportRequest) { w.AccessTier = "x" }, api.CodeValidation, "access_tier: "},
		{"long metadata", func(w *api.ImportRequest) { w.Metadata = map[string]any{"x": strings.Repeat("x", 16<<10)} }, api.CodeTooLarge, "metadata: longer than"},
		{"a bad line", func(w *api.ImportRequest) { w.Content = ptr("A=1\nhunter2\n") }, api.CodeValidation, `content: line 2: there is no "="`},
		{"a long name", func(w *api.ImportRequest) { w.Content = ptr("A=1\n\n" + long + "=hunter2") }, api.CodeValidation, "content: line 3: key is longer than 128 bytes"},
		{"a reserved name", func(w *api.ImportRequest) { w.Content = ptr("A=1\nrotate=hunter2") }, api.CodeValidation, "content: line 2: key must not be versions, rotate or rollback"},
		{"a name of dots", func(w *api.ImportRequest) { w.Content = ptr("..=hunter2") }, api.CodeValidation, `content: line 1: key must not be "." or ".."`},
		{"a long value", func(w *api.ImportRequest) { w.Content = ptr("A=1\nB=" + strings.Repeat("x", api.MaxValue+1)) }, api.CodeTooLarge, "content: line 2: the value is longer than 1048576 bytes"},
		{"a long text", func(w *api.ImportRequest) { w.Content = ptr("A=1\n" + strings.Repeat("#", api.MaxImport)) }, api.CodeTooLarge, "content: line 2: the text is longer than 16777216 bytes"},
		{"too many", func(w *api.ImportRequest) { w.Content = ptr(numbered(50_001)) }, api.CodeTooLarge, "content: line 50001: more than 50000 values"},
		{"much metadata", func(w *api.ImportRequest) {
			w.Content, w.Metadata = ptr(numbered(10_000)), map[string]any{"x": strings.Repeat("x", 2000)}
		}, api.CodeTooLarge, "metadata: kept with each of 10000 secrets"},
	} {
		_, err := h.importAs(h.owner, "A=hunter2", c.with)
		wantCode(t, c.name, err, c.code)
		if err == nil || !strings.HasPrefix(err.Error(), c.says) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v, want %s", c.name, err, c.says)
		}
	}
	if got := h.events(); got != events {
		t.Errorf("%d events were written", got-events)
	}
	diff(t, "what is stored", h.all(), before)
}

// numbered is a text of n short pairs.
func numbered(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "K%d=v\n", i)
	}
	return b.String()
}

func TestImportMost(t *testing.T) {
	h := newHouse(t)
	bot := h.agent("bot", "secrets:*:*").APIKey
	before := h.events()
	_, err := h.importAs(bot, numbered(10_001))
	wantCode(t, "one too many for an agent", err, api.CodeTooLarge)
	if err == nil || err.Error() != "content: line 10001: more than 10000 values" || h.events() != before {
		t.Errorf("it is told %v", err)
	}
	_, err = h.importAs("nobody", numbered(10_001))
	wantCode(t, "too many for nobody", err, api.CodeUnauthorized)
	for who, n := range map[string]int{h.owner: 10_001, bot: 10_000, h.token(h.owner, "secrets:write:*").Token: 10_001} {
		got := h.mustImport(who, numbered(n), keeping) // the first one stores
		if got.ImportedCount+got.Skipped != n || h.counted() < 10_000 {
			t.Errorf("%d imported, %d skipped, %d counted", got.ImportedCount, got.Skipped, h.counted())
		}
	}
}

// TestImportLimits: what the parser takes is what the vault takes.
func TestImportLimits(t *testing.T) {
	if dotenv.MaxText != api.MaxImport || dotenv.MaxValue != api.MaxValue {
		t.Error("the limits of a text are not those of an import")
	}
}

// TestImportIsAllOrNothing: one secret that may not be written, and none is.
func TestImportIsAllOrNothing(t *testing.T) {
	h := newHouse(t)
	h.mustPut(h.owner, "app/env/B", "old", tier("critical"))
	narrow := h.agent("narrow", "secrets:write:app/env/A*", "secrets:read:*", "secrets:delete:*")
	reader := h.agent("reader", "secrets:read:*")
	wide := h.agent("wide", "secrets:*:*")
	wideButThere := h.limited("elsewhere", []string{"other"}, "secrets:*:*")
	for _, c := range []struct {
		name, who string
		text      string
		code      api.Code
		denied    string
	}{
		{"one name beyond the scope", narrow.APIKey, "A1=x\nA2=x\nC=x\n", api.CodeScopeDenied, "secret.write.denied app/env/C 0"},
		{"no scope to write", reader.APIKey, "A=x\n", api.CodeScopeDenied, "secret.write.denied app/env/A 0"},
		{"a token without it", h.token(wide.APIKey, "secrets:write:app/env/A", "secrets:read:*").Token, "A=x\nC=x\n", api.CodeScopeDenied, "secret.write.denied app/env/C 0"},
		{"another namespace", wideButThere.APIKey, "A=x\n", api.CodeScopeDenied, "secret.write.denied app/env/A 0"},
		{"a critical one among them", wide.APIKey, "A=x\nB=x\nC=x\n", api.CodeApprovalRequired, "secret.write.denied app/env/B 0"},
		{"nobody", "", "A=x\n", api.CodeUnauthorized, "auth.failed / 0"},
	} {
		for _, option := range []func(*api.ImportRequest){func(*api.ImportRequest) {}, dry} {
			h.clock.advance(2 * denialWindow) // or equal refusals are only counted
			if err := h.v.FlushDue(ctx); err != nil {
				t.Fatal(err)
			}
			before, events := h.all(), h.events()
			got, err := h.importAs(c.who, c.text, option)
			wantCode(t, c.name, err, c.code)
			diff(t, c.name+": the answer", got, api.ImportResponse{})
			diff(t, c.name+": what is stored", h.all(), before)
			said := slices.DeleteFunc(h.since(events), func(s string) bool {
				return strings.HasPrefix(s, "secret.list") || strings.HasPrefix(s, "approval.request") || strings.HasPrefix(s, "token.create")
			})
			if len(said) != 1 || !strings.HasPrefix(said[0], c.denied) {
				t.Errorf("%s: the trail says %q, want %s", c.name, said, c.denied)
			}
		}
	}
	if n := h.counted(); n != 1 {
		t.Errorf("%d secrets are counted, want 1", n)
	}
}

const denialWindow = 60_000_000_000

func TestImportKeepsOrRaisesTiers(t *testing.T) {
	h := newHouse(t)
	for name, tr := range map[string]string{"STD": "standard", "SENS": "sensitive", "CRIT": "critical", "GONE": "sensitive"} {
		h.mustPut(h.owner, "app/env/"+name, "old", tier(tr))
	}
	h.mustDelete(h.owner, "app/env/GONE")
	tiers := func() map[string]string {
		out := map[string]string{}
		for _, s := range h.all() {
			out[s.Key] = fmt.Sprintf("%s %d", s.AccessTier, s.Version)
		}
		return out
	}
	const text = "STD=n\nSENS=n\nCRIT=n\nGONE=n\nNEW=n\n"
	h.mustImport(h.owner, text)
	diff(t, "without a tier", tiers(), map[string]string{
		"STD": "standard 2", "SENS": "sensitive 2", "CRIT": "critical 2", "GONE": "sensitive 2", "NEW": "standard 1"})
	h.mustImport(h.owner, text, ofTier("sensitive"))
	diff(t, "with sensitive", tiers(), map[string]string{
		"STD": "sensitive 3", "SENS": "sensitive 3", "CRIT": "critical 3", "GONE": "sensitive 3", "NEW": "sensitive 2"})
	h.mustImport(h.owner, text, ofTier("standard"))
	diff(t, "with standard", tiers(), map[string]string{
		"STD": "sensitive 4", "SENS": "sensitive 4", "CRIT": "critical 4", "GONE": "sensitive 4", "NEW": "sensitive 3"})
	if n := h.counted(); n != 5 {
		t.Errorf("%d secrets are counted, want 5", n)
	}
}

func TestImportPrunesVersions(t *testing.T) {
	h := newHouse(t)
	first := ""
	for i := range 12 {
		h.clock.advance(8 * day) // so that nothing stays for having been current lately
		h.mustImport(h.owner, fmt.Sprintf("A=v%d\n", i+1))
		id := h.all()["app/env/A"].ID
		if first == "" {
			first = id
		}
		if id != first {
			t.Fatal("an import made another secret of A")
		}
	}
	for n, code := range map[uint64]api.Code{2: api.CodeSecretNotFound, 3: "", 12: ""} {
		got, err := h.read(h.as(h.owner), "app/env/A", n)
		wantCode(t, fmt.Sprintf("version %d", n), err, code)
		if want := fmt.Sprintf("v%d", n); err == nil && got != want {
			t.Errorf("version %d is %q", n, got)
		}
	}
}

func TestImportKeepsWhatExists(t *testing.T) {
	h := newHouse(t)
	bot := h.agent("bot", "secrets:write:app/*")
	h.mustPut(h.owner, "app/env/OLD", "old")
	h.mustPut(h.owner, "app/env/CRIT", "old", tier("critical"))
	h.mustPut(h.owner, "app/env/GONE", "old")
	h.mustDelete(h.owner, "app/env/GONE")
	before := h.events()
	got := h.mustImport(bot.APIKey, "OLD=n\nNEW=n\nCRIT=n\nGONE=n\n", keeping)
	names := []string{"NEW", "GONE"}
	diff(t, "the answer", got, api.ImportResponse{Namespace: "app/env", Imported: names, ImportedCount: 2, Keys: names, Skipped: 2})
	diff(t, "the trail", h.since(before)[1:], []string{
		"secret.write app/env/NEW 1", "secret.write app/env/GONE 2", "secret.import app/env/ 0 2 stored, 2 skipped"})
	h.mustGet(h.owner, "app/env/OLD", "old")
	h.mustGet(h.owner, "app/env/GONE", "n")

	before = h.events()
	got = h.mustImport(bot.APIKey, "OLD=n\nCRIT=n\n", keeping)
	diff(t, "the answer to nothing new", got, api.ImportResponse{Namespace: "app/env", Imported: []string{}, Keys: []string{}, Skipped: 2})
	diff(t, "the trail of nothing new", h.since(before)[1:], []string{"secret.import app/env/ 0 0 stored, 2 skipped"})
	if n := h.counted(); n != 4 {
		t.Errorf("%d secrets are counted, want 4", n)
	}
}

func TestImportDryRun(t *testing.T) {
	h := newHouse(t)
	h.mustPut(h.owner, "app/env/OLD", "old")
	tok := h.issue(h.owner, api.TokenRequest{Scopes: []string{"secrets:write:app/env/*"}, MaxUses: ptr(1)})
	before, events := h.all(), h.events()
	got := h.mustImport(tok.Token, "NEW=n\nOLD=n\n", dry, keeping)
	diff(t, "the answer", got, api.ImportResponse{
		Namespace: "app/env", Imported: []string{"NEW"}, ImportedCount: 1, Keys: []string{"NEW"}, Skipped: 1, DryRun: true,
		States: []api.ImportState{{Key: "NEW", State: "new"}, {Key: "OLD", State: "exists"}}})
	diff(t, "the trail", h.since(events), []string{"secret.import app/env/ 0 dry run: 1 to store, 1 to skip"})
	diff(t, "what is stored", h.all(), before)
	_, err := h.importAs(tok.Token, "NEW=n\n")
	wantCode(t, "a second use", err, api.CodeUnauthorized)
}

// TestImportIsOneUse: however many secrets it stores.
func TestImportIsOneUse(t *testing.T) {
	h := newHouse(t)
	tok := h.issue(h.owner, api.TokenRequest{Scopes: []string{"secrets:write:app/env/*"}, MaxUses: ptr(2)})
	h.mustImport(tok.Token, "A=1\nB=2\nC=3\n")
	h.mustImport(tok.Token, "A=1\nB=2\nC=3\n")
	_, err := h.importAs(tok.Token, "A=1\n")
	wantCode(t, "a third use", err, api.CodeUnauthorized)
}

// TestImportOfCriticalSecrets: an owner approves all of them at once, for one
// import, and each event says which approval it rests on.
func TestImportOfCriticalSecrets(t *testing.T) {
	h := newHouse(t)
	bot := h.agent("bot", "secrets:write:app/*")
	h.mustPut(h.owner, "app/env/C1", "old", tier("critical"))
	h.mustPut(h.owner, "app/env/C2", "old", tier("critical"))
	const text = "C1=new\nA=new\nC2=new\n"
	_, err := h.importAs(bot.APIKey, text, dry)
	wantCode(t, "a dry run", err, api.CodeApprovalRequired)
	if n := len(h.keys("approvals")) + len(h.keys("wishes")); n != 0 {
		t.Errorf("a dry run asks an owner: %d records", n)
	}
	_, err = h.importAs(bot.APIKey, text)
	wantCode(t, "an import", err, api.CodeApprovalRequired)
	var asked *api.Error
	if !errors.As(err, &asked) || asked.ApprovalID == "" {
		t.Fatalf("no approval id in %v", err)
	}
	_, err = h.importAs(bot.APIKey, text)
	if again := new(api.Error); !errors.As(err, &again) || again.ApprovalID != asked.ApprovalID {
		t.Errorf("asked again, it is %v, not %s", err, asked.ApprovalID)
	}
	approved, err := h.v.Approve(ctx, h.as(h.owner), asked.ApprovalID, api.ApprovalDecision{})
	if err != nil {
		t.Fatal(err)
	}
	diff(t, "what was asked for", approved.RequestedScopes, []string{"secrets:write:app/env/C1", "secrets:write:app/env/C2"})

	h.mustImport(bot.APIKey, text, dry) // uses nothing up
	h.mustImport(bot.APIKey, text)
	rests := map[string]string{}
	for _, ev := range h.trail(audit.Filter{Actor: bot.ID, Action: string(audit.SecretWrite)}) {
		if ev.Outcome == audit.OK {
			rests[ev.Key] = ev.Approval
		}
	}
	diff(t, "what they rest on", rests, map[string]string{"C1": asked.ApprovalID, "A": "", "C2": asked.ApprovalID})
	_, err = h.importAs(bot.APIKey, text)
	wantCode(t, "a second import", err, api.CodeApprovalRequired)
	h.mustGet(h.owner, "app/env/C2", "new")
}

// TestImportAmongWrites: imports and writes that meet on the same secrets, with
// deletions between them. Each that is acknowledged has its version; a lost race is
// run again; the events of an import stand together, and the counts are right.
func TestImportAmongWrites(t *testing.T) {
	h := newHouse(t)
	names := []string{"A", "B", "C", "D"}
	var mu sync.Mutex
	written := map[string]uint64{} // by name
	note := func(what string, err error, names ...string) {
		if err != nil {
			if c := api.CodeOf(err); c != api.CodeConflict && c != api.CodeSecretNotFound {
				t.Errorf("%s: %v", what, err)
			}
			return
		}
		mu.Lock()
		defer mu.Unlock()
		for _, n := range names {
			written[n]++
		}
	}
	var all sync.WaitGroup
	var lost atomic.Int32 // imports
	for worker := range 4 {
		all.Go(func() {
			for i := range 25 {
				name := names[(worker+i)%len(names)]
				_, err := h.importAs(h.owner, "A=i\nB=i\nC=i\nD=i\n")
				note("an import", err, names...)
				if err != nil {
					lost.Add(1)
				}
				_, err = h.put(h.owner, "app/env/"+name, "p")
				note("a write", err, name)
				if i%3 == 0 {
					note("a deletion", h.delete(h.owner, "app/env/"+names[i%len(names)]))
				}
			}
		})
	}
	all.Wait()
	if n := lost.Load(); n > 35 { // some do lose all their tries; without a second one, three in five would
		t.Errorf("%d of 100 imports gave up", n)
	}
	h.mustImport(h.owner, "A=end\nB=end\nC=end\nD=end\n")
	for _, s := range h.all() {
		if want := written[s.Key] + 1; s.Version != want {
			t.Errorf("%s has version %d after %d writes", s.Key, s.Version, want)
		}
		h.mustGet(h.owner, "app/env/"+s.Key, "end")
	}
	if n := h.counted(); n != len(names) {
		t.Errorf("%d secrets are counted, want %d", n, len(names))
	}
	h.wantWhole(names)
}

// wantWhole wants the events of each import to stand together.
func (h *house) wantWhole(names []string) {
	h.t.Helper()
	var before []audit.Stored
	imports := 0
	for _, ev := range h.trail(audit.Filter{}) {
		if ev.Action == audit.SecretImport {
			imports++
			wrote := map[string]bool{}
			for _, w := range before[max(0, len(before)-len(names)):] {
				if w.Action == audit.SecretWrite && w.RequestID == ev.RequestID {
					wrote[w.Key] = true
				}
			}
			if got := slices.Sorted(maps.Keys(wrote)); !slices.Equal(got, names) {
				h.t.Errorf("before import event %d stand writes of %q", ev.Seq, got)
			}
		}
		before = append(before, ev)
	}
	if imports == 0 {
		h.t.Error("no import succeeded")
	}
}

// TestImportOnAFullDisk: an import that does not fit leaves nothing behind, and
// succeeds once there is space.
func TestImportOnAFullDisk(t *testing.T) {
	if out, err := command(t, "fullimport", t.TempDir()).CombinedOutput(); err != nil {
		t.Errorf("child: %v\n%s", err, out)
	}
}

func fullImportChild(dir string) error {
	d := newFullDisk(inChild{}, dir)
	before := d.all()
	text := ""
	for i := range 64 {
		text += fmt.Sprintf("K%d=%s\n", i, strings.Repeat("x", 64<<10))
	}
	limitFiles(d.t, uint64(len(d.fileBytes()))+1<<20)
	events := d.events()
	_, err := d.importAs(d.owner, text)
	wantCode(d.t, "an import that does not fit", err, api.CodeStorageFull)
	if got := d.events(); got != events {
		d.t.Errorf("%d events were written", got-events)
	}
	limitFiles(d.t, noLimit)
	diff(d.t, "what is stored", d.all(), before)
	if n := d.counted(); n != 0 {
		d.t.Errorf("%d secrets are counted", n)
	}
	d.mustImport(d.owner, text)
	if n := d.counted(); n != 64 {
		d.t.Errorf("%d secrets are counted, want 64", n)
	}
	d.end()
	return os.RemoveAll(d.cfg.Dir)
}
