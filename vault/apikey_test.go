package vault

import (
	"regexp"
	"strings"
	"testing"
)

func TestKeys(t *testing.T) {
	forms := map[string]*regexp.Regexp{
		ownerPrefix: regexp.MustCompile(`^ask_live_[0-9A-Za-z]{49}$`),
		agentPrefix: regexp.MustCompile(`^ask_agent_[0-9A-Za-z]{49}$`),
	}
	for prefix, form := range forms {
		seen := map[string]bool{}
		for range 100 {
			key, shown := newKey(prefix)
			if !form.MatchString(key) || seen[key] {
				t.Fatalf("a key of %d characters, seen before: %v", len(key), seen[key])
			}
			seen[key] = true
			if !strings.HasPrefix(key, shown) || len(shown) != len(prefix)+keyShown {
				t.Error("what is shown of a key is not its beginning")
			}
			if hash, err := hashKey(key); err != nil || len(hash) != 64 || strings.Contains(hash, key) {
				t.Errorf("hash of %d digits, %v", len(hash), err)
			}
		}
	}
}

// A typo anywhere is told from a wrong key.
func TestKeyTypos(t *testing.T) {
	key, _ := newKey(agentPrefix)
	for i := len(agentPrefix); i < len(key); i++ {
		typo := []byte(key)
		if typo[i]++; typo[i] == '9'+1 || typo[i] == 'Z'+1 || typo[i] == 'z'+1 {
			typo[i] = '0'
		}
		if _, err := hashKey(string(typo)); err == nil {
			t.Errorf("a typo at %d passes", i)
		}
	}
	for _, cut := range []string{"", agentPrefix, key[:len(key)-1], key + "x"} {
		if _, err := hashKey(cut); err == nil {
			t.Errorf("%d characters pass", len(cut))
		}
	}
}
