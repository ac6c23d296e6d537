package server_test

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// edited is an export after one edit of its structure.
type edited struct {
	Name, Text string
	harmless   bool // nothing was lost but a signature that another one covers
}

// sieve has the verifier look at many texts in one process, and says which pass.
const sieve = `
const fs = require('node:fs');
const { check, readCheckpoints } = require(process.argv[1]);
const [, , edits, checkpoint, key, scratch] = process.argv;
const passed = [], notes = readCheckpoints(checkpoint);
for (const { Name, Text } of JSON.parse(fs.readFileSync(edits))) {
  fs.writeFileSync(scratch, Text);
  try { check(scratch, notes, key); passed.push(Name); } catch (e) { if (e.constructor.name !== 'Bad') throw new Error(Name + ': ' + e.stack); }
}
console.log(JSON.stringify(passed));
`

// structuralEdits is every way to take out, repeat, exchange, move or cut a line of an
// export, to put one of another trail in, and to take out, add or change a field.
func structuralEdits(lines, foreign []string, plainHead func(i int) bool) (all []edited) {
	add := func(harmless bool, lines []string, format string, args ...any) {
		all = append(all, edited{fmt.Sprintf(format, args...), strings.Join(lines, ""), harmless})
	}
	for i, line := range lines {
		rest := slices.Delete(slices.Clone(lines), i, i+1)
		add(plainHead(i), rest, "without line %d", i+1)
		for to := range rest {
			if to != i {
				add(false, slices.Insert(slices.Clone(rest), to, line), "line %d moved to %d", i+1, to+1)
			}
		}
		for to := range len(lines) + 1 {
			add(false, slices.Insert(slices.Clone(lines), to, line), "line %d again at %d", i+1, to+1)
			if i < len(foreign) {
				add(false, slices.Insert(slices.Clone(lines), to, foreign[i]), "foreign line %d at %d", i+1, to+1)
			}
		}
		for to := i + 1; to < len(lines); to++ {
			other := slices.Clone(lines)
			other[i], other[to] = lines[to], lines[i]
			add(false, other, "lines %d and %d exchanged", i+1, to+1)
		}
		add(i == 0, lines[i:], "from line %d on", i+1)
		add(false, lines[:i], "up to line %d", i)
		add(false, slices.Insert(slices.Clone(lines), i, "\n"), "an empty line at %d", i+1)
		for name, text := range fieldEdits(line) {
			other := slices.Clone(lines)
			other[i] = text
			add(false, other, "line %d: %s", i+1, name)
		}
	}
	return all
}

// fieldEdits is a line with one of its fields missing, twice, renamed or of another kind.
func fieldEdits(line string) map[string]string {
	all := map[string]string{
		"an array": "[" + strings.TrimSuffix(line, "\n") + "]\n", "null": "null\n", "two on one": strings.TrimSuffix(line, "\n") + line,
		"a field more": strings.Replace(line, "{", `{"x":1,`, 1), "one behind": strings.TrimSuffix(line, "}\n") + `,"x":1}` + "\n",
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal([]byte(line), &fields); err != nil {
		panic(err)
	}
	for name, value := range fields {
		whole := fmt.Sprintf("%q:%s", name, value)
		for what, now := range map[string]string{
			"renamed": fmt.Sprintf("%q:%s", strings.ToUpper(name), value), "null": fmt.Sprintf("%q:null", name), "an array": fmt.Sprintf("%q:[%s]", name, value),
			"another number": fmt.Sprintf("%q:%d", name, 99), "a fraction": fmt.Sprintf("%q:%d.5", name, 1), "empty": fmt.Sprintf("%q:\"\"", name),
			"as text": fmt.Sprintf("%q:%q", name, value),
		} {
			if text := strings.Replace(line, whole, now, 1); text != line {
				all[name+" "+what] = text
			}
		}
		gone := strings.NewReplacer(whole+",", "", ","+whole, "").Replace(line)
		all[name+" gone"] = gone
	}
	return all
}

// TestVerifyScriptFindsStructure: every edit of the structure of an export is found, with
// a checkpoint of its end; but for a signed head that is taken out where the next one
// covers the same events.
func TestVerifyScriptFindsStructure(t *testing.T) {
	mine, next := seedKey(1), seedKey(3)
	f := forged(4, mine)
	f.rotate(next, mine)
	f.add()
	f.sign(f.epoch, f.key)
	plain := func(i int) bool { // neither the last head nor one of the change of keys
		return strings.HasPrefix(f.lines[i], `{"head":1,`) || strings.HasPrefix(f.lines[i], `{"head":4,`)
	}
	edits := structuralEdits(f.lines, forged(6, seedKey(2)).lines, plain)
	b, err := json.Marshal(append(edits, edited{Name: "good", Text: strings.Join(f.lines, "")}))
	if err != nil {
		t.Fatal(err)
	}
	path, err := filepath.Abs(script)
	if err != nil {
		t.Fatal(err)
	}
	verifyScript(t, file(t, strings.Join(f.lines, "")))
	out, err := exec.Command("node", "-e", sieve, path, file(t, string(b)), file(t, f.note()), keyText(mine), file(t, "")).Output()
	var passed []string
	if err != nil || json.Unmarshal(out, &passed) != nil {
		t.Fatalf("%v %s", err, out)
	}
	if !slices.Contains(passed, "good") {
		t.Error("what was not edited is refused")
	}
	for _, e := range edits {
		same := e.Text == strings.Join(f.lines, "")
		if slices.Contains(passed, e.Name) != (e.harmless || same) {
			t.Errorf("%s: passes %v\n%s", e.Name, !e.harmless, e.Text)
		}
	}
	t.Logf("%d edits", len(edits))
}
