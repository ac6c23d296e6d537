package vault

import (
	"bytes"
	"errors"
	"strconv"
	"strings"
	"unicode"

	"github.com/agent-secret-store/assd/internal/mask"
	"github.com/agent-secret-store/assd/vault/envelope"
)

const (
	maxLogged = 200      // lines of what a command wrote to standard error
	maxMasked = 64 << 10 // bytes of a value that is looked for in there
)

// logPrinted logs what a command wrote to standard error, without the values that it
// was given or has made: all it printed counts as such, whether it is taken or not.
func (v *Vault) logPrinted(run *rotation, p Printed, current envelope.Plaintext) {
	if len(bytes.TrimSpace(p.Err)) == 0 {
		return
	}
	text, ok := withoutValues(string(p.Err), string(current.Reveal()), string(p.Out))
	if !ok {
		text = "(left out: the values are too large to be masked in it)"
	}
	n := 0
	for line := range strings.Lines(text) {
		if n++; n > maxLogged {
			v.cfg.Log.Info("the rotator wrote more than is logged", "path", run.Path.String(), "request_id", run.origin.RequestID)
			return
		}
		v.cfg.Log.Info("a rotator says", "path", run.Path.String(), "stderr", printable(strings.TrimRight(line, "\r\n")), "request_id", run.origin.RequestID)
	}
}

// withoutValues is text with the values masked, the short ones too: what they tear up
// here is not worth one. It fails for values that are too large to be looked for.
func withoutValues(text string, values ...string) (string, bool) {
	for _, value := range values {
		if len(value) > maxMasked {
			return "", false
		}
		if short := strings.TrimSpace(value); short != "" && mask.TooShort(value) {
			text = strings.ReplaceAll(text, short, mask.Text)
		}
	}
	var masked strings.Builder
	w := mask.New(&masked, values)
	_, err := w.Write([]byte(text))
	err = errors.Join(err, w.Close())
	return masked.String(), err == nil
}

// printable is s, quoted where it holds what a terminal would obey.
func printable(s string) string {
	if strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) && r != '\t' }) {
		return strconv.QuoteToGraphic(s)
	}
	return s
}
