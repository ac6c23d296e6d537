package main

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestForeign(t *testing.T) {
	for _, tc := range []struct {
		in    string
		limit int
		want  string
	}{
		{"deploy-bot", 20, "deploy-bot"},
		{"Zürich 東京 🚀", 20, "Zürich 東京 🚀"},
		{"a\nb\tc\rd", 20, `a\nb\tc\rd`},
		{"\x1b[31mred\x1b[0m", 40, `\x1b[31mred\x1b[0m`},
		{"a\u202eb\u2066c\u200bd\ufeff", 40, `a\u202eb\u2066c\u200bd\ufeff`},
		{"\u0085\u009b1m\x7f", 40, `\u0085\u009b1m\x7f`},
		{"a\xffb\xc3", 20, `a\xffb\xc3`},
		{"\ufffd", 20, "\ufffd"},
		{"\U000e0041", 20, `\U000e0041`},
		{"12345", 5, "12345"},
		{"123456", 5, "12345…"},
		{"", 5, ""},
	} {
		if got := foreign(tc.in, tc.limit); got != tc.want {
			t.Errorf("foreign(%q, %d) = %q, want %q", tc.in, tc.limit, got, tc.want)
		}
	}
}

func FuzzPlainJSON(f *testing.F) {
	for _, s := range []string{"", "a\x1b\x7f\u009b\u202e\u2028", "\U000e0041😀", "\xff", `\"`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		want, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		plain := plainJSON(want)
		var before, after string
		if err := json.Unmarshal(want, &before); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(plain), &after); err != nil || after != before {
			t.Fatalf("%q became %q, %v", before, after, err)
		}
		if shown := foreign(plain, len(plain)); shown != plain {
			t.Fatalf("%q is not safe to show", plain)
		}
	})
}

func TestSheet(t *testing.T) {
	list := sheet{
		title: "Namespace: production", count: "3 secrets", columns: []string{"Key", "Type", "Tier", "Updated"},
		rows: [][]string{
			{"DATABASE_URL", "db_credential", "sensitive", "2026-03-10"},
			{"OPENAI_API_KEY", "api_key", "standard", "2026-03-12"},
			{"STRIPE\nKEY", "api_key", "sensitive", "2026-03-14"},
		},
	}
	want := `
┌─────────────────────────────────────────────────────────┐
│ Namespace: production                         3 secrets │
├────────────────┬───────────────┬───────────┬────────────┤
│ Key            │ Type          │ Tier      │ Updated    │
├────────────────┼───────────────┼───────────┼────────────┤
│ DATABASE_URL   │ db_credential │ sensitive │ 2026-03-10 │
│ OPENAI_API_KEY │ api_key       │ standard  │ 2026-03-12 │
│ STRIPE\nKEY    │ api_key       │ sensitive │ 2026-03-14 │
└────────────────┴───────────────┴───────────┴────────────┘
`[1:]
	if diff := cmp.Diff(want, list.String()); diff != "" {
		t.Error(diff)
	}
	narrow := sheet{title: "Namespace: staging", count: "0 secrets", columns: []string{"Key", "Tier"}}
	want = `
┌───────────────────────────────┐
│ Namespace: staging  0 secrets │
├─────┬─────────────────────────┤
│ Key │ Tier                    │
├─────┼─────────────────────────┤
└─────┴─────────────────────────┘
`[1:]
	if diff := cmp.Diff(want, narrow.String()); diff != "" {
		t.Error(diff)
	}
}

func TestLifetime(t *testing.T) {
	for d, want := range map[time.Duration]string{
		15*time.Minute - 300*time.Millisecond: "15 minutes",
		90*time.Second - time.Millisecond:     "90 seconds",
		time.Hour:                             "60 minutes",
		24*time.Hour - time.Second:            "24 hours",
		7*24*time.Hour - time.Second:          "7 days",
		-time.Minute:                          "0 seconds",
	} {
		if got := lifetime(d); got != want {
			t.Errorf("lifetime(%v) = %q, want %q", d, got, want)
		}
	}
}

func TestPlural(t *testing.T) {
	for n, want := range map[int]string{0: "0 secrets", 1: "1 secret", 2: "2 secrets"} {
		if got := plural(n, "secret"); got != want {
			t.Errorf("plural(%d) = %q, want %q", n, got, want)
		}
	}
}
