package chain_test

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/agent-secret-store/assd/audit/chain"
)

// noteOf is a signed note of so many events.
func noteOf(t testing.TB, size uint64) string {
	t.Helper()
	const tenant = "ten_aaaaaaaaaaaaaaaaaaaaaaaaaa"
	private := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize))
	h := chain.Head{Epoch: 1, Seq: size, Hash: chain.Hash{byte(size)}}
	return chain.NewCheckpoint(tenant, h, chain.Key(private.Public().(ed25519.PublicKey)), chain.Sign(h, tenant, private).Bytes).String()
}

// TestLastNote: the last whole one, wherever the file was cut, and however long it is.
func TestLastNote(t *testing.T) {
	one, two := noteOf(t, 1), noteOf(t, 2)
	long := strings.Repeat(one+"\n", 1000)
	for name, tc := range map[string]struct{ text, want string }{
		"one":              {one, one},
		"two":              {one + "\n" + two, two},
		"thousands":        {long + two, two},
		"lines behind it":  {one + "\n" + two + "\n\n", two},
		"half of another":  {one + "\n" + two[:len(two)/2], one},
		"half, then whole": {one[:60] + "\n\n" + two, two},
		"something before": {"these are the checkpoints\n\n" + one, one},

		"just within": {long + one + strings.Repeat("x", 8<<10-len(one)), one},

		"just beyond":     {one + strings.Repeat("x", 8<<10-len(one)+1), ""},
		"nothing":         {"", ""},
		"empty lines":     {"\n\n", ""},
		"no note":         {strings.Repeat("hello\n\n", 5000), ""},
		"only half":       {one[:len(one)-1], ""},
		"no line of it":   {"x" + one, ""},
		"too far back":    {one + strings.Repeat("x", 9000), ""},
		"no signature":    {strings.ReplaceAll(one, "— ", "- "), ""},
		"no line between": {strings.ReplaceAll(one, "\n\n", "\n"), ""},
	} {
		for how, r := range map[string]io.Reader{"at once": strings.NewReader(tc.text), "byte by byte": iotest.OneByteReader(strings.NewReader(tc.text)), "with the end": iotest.DataErrReader(strings.NewReader(tc.text))} {
			got, err := chain.LastNote(r)
			if string(got) != tc.want || tc.want == "" != errors.Is(err, chain.ErrGarbled) {
				t.Errorf("%s, %s: %q, %v; want %q", name, how, got, err, tc.want)
			}
		}
	}
	broken := errors.New("the device is gone")
	if _, err := chain.LastNote(io.MultiReader(strings.NewReader(one), iotest.ErrReader(broken))); !errors.Is(err, broken) {
		t.Error(err)
	}
}

// TestReadCheckpoint: one note or a file of them, and what is wrong with one alone.
func TestReadCheckpoint(t *testing.T) {
	one, two := noteOf(t, 1), noteOf(t, 2)
	for text, want := range map[string]uint64{one: 1, one + "\n" + two: 2, one + "\n" + two[:50]: 1, strings.Repeat(one+"\n", 99) + two: 2} {
		if c, err := chain.ReadCheckpoint(strings.NewReader(text)); err != nil || c.Seq != want {
			t.Errorf("%d, %v; want %d", c.Seq, err, want)
		}
	}
	for text, want := range map[string]string{
		"": "no text and signature", one[:50]: "no text and signature", strings.Replace(one, "\n1\n", "\n01\n", 1): "not written as", strings.Replace(one, "epoch", "epok", 1): "line 4",
	} {
		if _, err := chain.ReadCheckpoint(strings.NewReader(text)); !errors.Is(err, chain.ErrGarbled) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v; want %q", text, err, want)
		}
	}
}

// TestReadCheckpoints: a file in which the trail goes back counts as far as it had come.
func TestReadCheckpoints(t *testing.T) {
	one, two, three, five := noteOf(t, 1), noteOf(t, 2), noteOf(t, 3), noteOf(t, 5)
	for text, want := range map[string][]uint64{
		one:                                        {1},
		one + "\n" + two + "\n" + five:             {5},
		one + "\n" + five + "\n" + two:             {5, 2},
		five + "\n" + two + "\n" + two:             {5, 2},
		three + "\n" + one + "\n" + five:           {3, 5},
		five + "\n" + one + "\n" + two[:50]:        {5, 1},
		five + "\n" + one[:60] + "\n\n" + two:      {5, 2},
		five + strings.Repeat("\n"+two, 999) + one: {5, 2, 1},
		five + "\n" + strings.Replace(one, "aaaa", "bbbb", -1) + "\n" + two: {5, 2},
	} {
		for _, r := range []io.Reader{strings.NewReader(text), iotest.OneByteReader(strings.NewReader(text))} {
			all, err := chain.ReadCheckpoints(r)
			var got []uint64
			for _, c := range all {
				got = append(got, c.Seq)
			}
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("%v, %v; want %v", got, err, want)
			}
		}
	}
	if _, err := chain.ReadCheckpoints(strings.NewReader(strings.Repeat(two+"\n"+one+"\n", 102))); !errors.Is(err, chain.ErrGarbled) {
		t.Error(err)
	}
}

// TestLastNoteCut: cut at any byte, it is the whole one before, or the one that is whole.
func TestLastNoteCut(t *testing.T) {
	one, two := noteOf(t, 1), noteOf(t, 2)
	all := one + "\n" + two
	for n := len(one); n <= len(all); n++ {
		want := one
		if n == len(all) {
			want = two
		}
		if got, err := chain.LastNote(strings.NewReader(all[:n])); err != nil || string(got) != want {
			t.Errorf("cut at %d: %q, %v", n, got, err)
		}
	}
}

// FuzzLastNote: whatever is found stands in the text as a whole, and within the bound.
func FuzzLastNote(f *testing.F) {
	f.Add([]byte(noteOf(f, 1) + "\n" + noteOf(f, 2)))
	f.Add([]byte("agent-secret-store/\n\n— x\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := chain.LastNote(bytes.NewReader(b))
		if err != nil {
			return
		}
		if !bytes.Contains(b, got) || len(got) > 8<<10 || !bytes.HasPrefix(got, []byte("agent-secret-store/")) || !bytes.HasSuffix(got, []byte("\n")) {
			t.Errorf("%q", got)
		}
		if again, err := chain.LastNote(bytes.NewReader(got)); err != nil || !bytes.Equal(again, got) {
			t.Errorf("%q, then %q, %v", got, again, err)
		}
	})
}
