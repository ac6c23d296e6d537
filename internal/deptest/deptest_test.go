package deptest_test

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

const (
	module = "github.com/agent-secret-store/assd"
	root   = "../.."
)

// pkg is what "go list -json" says of a package.
type pkg struct {
	Dir, ImportPath, Name string
	Imports, Deps         []string
	GoFiles               []string
	IgnoredGoFiles        []string // those of other systems, for one
}

// room is the package's name in ARCHITECTURE.md.
func (p pkg) room() string { return strings.TrimPrefix(p.ImportPath, module+"/") }

// files returns the paths of the package's files, without tests.
func (p pkg) files() []string {
	var files []string
	for _, name := range slices.Concat(p.GoFiles, p.IgnoredGoFiles) {
		if !strings.HasSuffix(name, "_test.go") {
			files = append(files, filepath.Join(p.Dir, name))
		}
	}
	return files
}

var list = sync.OnceValues(func() ([]pkg, error) {
	// "go test" remembers a result for as long as what the test itself opened
	// stays the same, and does not see what go list opens: so look everywhere.
	if err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && path != root && strings.HasPrefix(d.Name(), ".") {
			return fs.SkipDir
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil // gone since its directory was read
		}
		return err
	}); err != nil {
		return nil, err
	}
	cmd := exec.Command("go", "list", "-json=Dir,ImportPath,Name,Imports,Deps,GoFiles,IgnoredGoFiles", "./...")
	cmd.Dir = root
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, err
	}
	var pkgs []pkg
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return pkgs, nil
		} else if err != nil {
			return nil, err
		}
		pkgs = append(pkgs, p)
	}
})

func packages(t *testing.T) []pkg {
	t.Helper()
	pkgs, err := list()
	if err != nil {
		t.Fatalf("listing packages: %v", err)
	}
	return pkgs
}

// house is the table of ARCHITECTURE.md: rooms from the roof down, and what
// each may import.
type house struct {
	rooms []string
	may   map[string]func(room string) bool
}

var row = regexp.MustCompile("^\\| `([a-z/]+)` \\|.*\\| ([^|]*) \\|$")

func readHouse(text string) house {
	h := house{may: map[string]func(string) bool{}}
	_, text, _ = strings.Cut(text, "\n## The house\n")
	text, _, _ = strings.Cut(text, "\n## ")
	for line := range strings.Lines(text) {
		if m := row.FindStringSubmatch(strings.TrimSpace(line)); m != nil {
			h.rooms = append(h.rooms, m[1])
			h.may[m[1]] = h.rule(m[1], m[2])
		}
	}
	return h
}

var quoted = regexp.MustCompile("`([^`]+)`")

// rule reads a cell: the rooms in it, "all below", "everything below" or
// "nothing of ours".
func (h *house) rule(room, cell string) func(string) bool {
	if cell == "all below" || cell == "everything below" {
		return func(other string) bool { return h.below(room, other) }
	}
	var named []string
	for _, m := range quoted.FindAllStringSubmatch(cell, -1) {
		named = append(named, m[1])
	}
	return func(other string) bool {
		return h.below(room, other) && slices.ContainsFunc(named, func(name string) bool {
			prefix, all := strings.CutSuffix(name, "…")
			return name == other || all && strings.HasPrefix(other, prefix)
		})
	}
}

// below reports whether other stands below room in the table.
func (h *house) below(room, other string) bool {
	return slices.Index(h.rooms, other) > slices.Index(h.rooms, room)
}

// own reports whether other is a part of room that has no row to itself.
func (h *house) own(room, other string) bool {
	return strings.HasPrefix(other, room+"/") && h.may[other] == nil
}

// faults says what is wrong with what a package imports. A room may import its
// own sub-packages; a package without a row may import nothing else of ours;
// tools under scripts may import what they like, since nothing may import them.
func (h *house) faults(p pkg) []string {
	if strings.HasPrefix(p.room(), "scripts/") {
		return nil
	}
	var faults []string
	for _, path := range p.Imports {
		other, ours := strings.CutPrefix(path, module+"/")
		if !ours {
			continue
		}
		if may := h.may[p.room()]; (may == nil || !may(other)) && !h.own(p.room(), other) {
			faults = append(faults, p.room()+" imports "+other)
		}
	}
	return faults
}

func TestImportsGoDown(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "ARCHITECTURE.md"))
	if err != nil {
		t.Fatal(err)
	}
	h := readHouse(string(text))
	if len(h.rooms) < 10 {
		t.Fatalf("the table in ARCHITECTURE.md has only the rooms %q", h.rooms)
	}
	seen := map[string]bool{}
	for _, p := range packages(t) {
		seen[p.room()] = true
		for _, fault := range h.faults(p) {
			t.Errorf("%s, against the table in ARCHITECTURE.md", fault)
		}
	}
	for _, room := range h.rooms {
		if !seen[room] {
			t.Errorf("%s stands in ARCHITECTURE.md and is no package", room)
		}
	}
}

// TestHouse checks the reading of the table on one of its own.
func TestHouse(t *testing.T) {
	h := readHouse("\n## The house\n\n| room | what | may import |\n|---|---|---|\n" +
		"| `cmd/x` | a | `core/api`, `deep` (paths only), `internal/…` |\n" +
		"| `core` | b | all below |\n" +
		"| `core/api` | c | nothing of ours |\n" +
		"| `deep` | d | `core/api` |\n" +
		"| `internal/y` | e | nothing of ours |\n" +
		"\n## Next\n| `late` | f | all below |\n")
	for _, tc := range []struct {
		room, imports string
		ok            bool
	}{
		{"cmd/x", "core/api", true},
		{"cmd/x", "deep", true},
		{"cmd/x", "internal/y", true},
		{"cmd/x", "core", false},
		{"cmd/x", "cmd/x/part", true},
		{"cmd/x/part", "core/api", false},
		{"core", "core/part", true},
		{"cmd/x", "core/part", false},
		{"cmd", "cmd/x", false}, // has a row
		{"core", "deep", true},
		{"core", "internal/y", true},
		{"core", "cmd/x", false},
		{"core", "core", false},
		{"core", "unlisted", false},
		{"core/api", "deep", false},
		{"core/api", "internal/y", false},
		{"deep", "core/api", false}, // named, but above
		{"late", "internal/y", false},
		{"unlisted", "internal/y", false},
		{"scripts/bench", "core", true},
	} {
		p := pkg{ImportPath: module + "/" + tc.room, Imports: []string{"fmt", module + "/" + tc.imports}}
		if faults := h.faults(p); (len(faults) == 0) != tc.ok {
			t.Errorf("%s imports %s: faults %q", tc.room, tc.imports, faults)
		}
	}
}

// TestClientIsLight: the client holds no store and no keys, and starts fast.
func TestClientIsLight(t *testing.T) {
	heavy := []string{"github.com/tink-crypto/", "github.com/lestrrat-go/", "go.etcd.io/bbolt"}
	for _, tc := range []struct {
		room  string
		heavy bool
	}{
		{"cmd/ass", false},
		{"cmd/assd", true}, // to see that the question finds something
	} {
		i := slices.IndexFunc(packages(t), func(p pkg) bool { return p.room() == tc.room })
		if i < 0 {
			t.Errorf("no package %s", tc.room)
			continue
		}
		for _, prefix := range heavy {
			has := slices.ContainsFunc(packages(t)[i].Deps, func(dep string) bool { return strings.HasPrefix(dep, prefix) })
			if has != tc.heavy {
				t.Errorf("%s depends on %s: %v", tc.room, prefix, has)
			}
		}
	}
}

// exits are the functions that end the program.
var exits = map[string][]string{
	"os":      {"Exit"},
	"syscall": {"Exit"},
	"log":     {"Fatal", "Fatalf", "Fatalln"},
}

// exitCalls returns the positions in a file where the program could be ended.
func exitCalls(fset *token.FileSet, file *ast.File) []token.Position {
	names := map[string]string{} // as used in the file → import path
	for _, imp := range file.Imports {
		path, err := strconv.Unquote(imp.Path.Value)
		if err != nil {
			continue // the compiler will say so
		}
		name := path
		if imp.Name != nil {
			name = imp.Name.Name
		}
		names[name] = path
	}
	var found []token.Position
	ast.Inspect(file, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if x, ok := sel.X.(*ast.Ident); ok && slices.Contains(exits[names[x.Name]], sel.Sel.Name) {
			found = append(found, fset.Position(sel.Pos()))
		}
		return true
	})
	return found
}

func TestOnlyMainExits(t *testing.T) {
	fset, exiting := token.NewFileSet(), 0
	for _, p := range packages(t) {
		for _, path := range p.files() {
			file, err := parser.ParseFile(fset, path, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Error(err)
				continue
			}
			calls := exitCalls(fset, file)
			if p.Name == "main" && filepath.Base(path) == "main.go" {
				exiting += len(calls)
				continue
			}
			for _, at := range calls {
				t.Errorf("%s: the program ends here; return an error, only main.go of a command may call os.Exit", at)
			}
		}
	}
	if exiting == 0 {
		t.Error("no main.go calls os.Exit: are the files still found?")
	}
}

func TestExitCalls(t *testing.T) {
	const src = `package p
import ("os"; o "os"; "log"; "syscall"; "fmt")
func f() { os.Exit(1); defer o.Exit(2); g := os.Exit; log.Fatalf("x"); syscall.Exit(3); fmt.Print(); log.Print(); os.Getpid(); g(1) }
`
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, "p.go", src, 0)
	if err != nil {
		t.Fatal(err)
	}
	if calls := exitCalls(fset, file); len(calls) != 5 {
		t.Errorf("found %v", calls)
	}
}

func TestOnePackageDoc(t *testing.T) {
	for _, p := range packages(t) {
		var docs []string
		for _, path := range p.files() {
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments|parser.PackageClauseOnly)
			if err != nil {
				t.Error(err)
				continue
			}
			if file.Doc.Text() != "" {
				docs = append(docs, filepath.Base(path))
			}
		}
		if len(docs) != 1 {
			t.Errorf("%s has %d package docs, in %q; want one", p.ImportPath, len(docs), docs)
		}
	}
}
