package vault_test

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/agent-secret-store/assd/vault"
)

func init() { children["tell"] = tellChild }

const receiverEnv = childEnv + "_RECEIVER"

// tellChild writes for ever, tells a receiver, and prints what is acknowledged.
func tellChild(dir string) error {
	v, err := vault.Open(vault.Config{Dir: dir})
	if err != nil {
		return err
	}
	h := &house{t: inChild{}, cfg: vault.Config{Dir: dir}, v: v, owner: os.Getenv(ownerEnv)}
	h.tell(hookTo(inChild{}, os.Getenv(receiverEnv), newSecret(3), "chat", "secret.write"))
	fmt.Println("up")
	for i := 0; ; i++ {
		info := h.mustPut(h.owner, fmt.Sprintf("a/K%d", i%5), "v")
		fmt.Printf("%s/%s@%d\n", info.Namespace, info.Key, info.Version)
	}
}

// TestKilledWhileTelling: after a kill -9 at any moment, between an event and its
// delivery and behind that too, the receiver is told of everything that was
// acknowledged, the next start at the latest.
func TestKilledWhileTelling(t *testing.T) {
	h := newHouse(t)
	box := newMailbox(t)
	var acked []string
	for range 8 {
		box.answers(nil)
		if rand.IntN(2) == 0 { // what is not taken in this life is in the next one
			box.answers(func(mail) int { return 503 })
		}
		h.close()
		acked = append(acked, killedTelling(t, h, box)...)
		if p := h.verify().Problem; p != "" {
			t.Fatalf("killed, it does not verify: %s", p)
		}
		h.cfg.Now = time.Now
		h.open()
	}
	box.answers(nil)
	h.tell(box.hook("chat", "secret.write"))
	h.settled("chat")
	told := map[string]bool{}
	for _, m := range box.got() {
		told[fmt.Sprintf("%s@%d", *m.Data.ResID, m.Data.Version)] = true
	}
	for _, one := range acked {
		if !told[one] {
			t.Errorf("nobody was told of %s", one)
		}
	}
	if len(acked) < 8 {
		t.Errorf("only %d writes in all", len(acked))
	}
}

// killedTelling runs a child, kills it after some acknowledgements, and returns those.
func killedTelling(t *testing.T, h *house, box *mailbox) (acked []string) {
	t.Helper()
	cmd := command(t, "tell", h.cfg.Dir)
	cmd.Env = append(cmd.Env, ownerEnv+"="+h.owner, receiverEnv+"="+box.srv.URL)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	left := 2 + rand.IntN(12)
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if strings.Contains(lines.Text(), "@") {
			acked = append(acked, lines.Text())
		}
		if left--; left == 0 {
			cmd.Process.Kill() //nolint:errcheck // Wait tells
		}
	}
	cmd.Wait() //nolint:errcheck // it was killed
	return acked
}
