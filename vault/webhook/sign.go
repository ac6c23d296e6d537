package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"strconv"
	"strings"
	"time"
)

// The headers of a message.
const (
	headerID        = "webhook-id"
	headerTimestamp = "webhook-timestamp"
	headerSignature = "webhook-signature"
)

// sign is the signature header of a message: "v1," and HMAC-SHA256 over
// id.timestamp.body in base64, for each secret.
func sign(secrets []Secret, id string, at time.Time, body []byte) string {
	all := make([]string, len(secrets))
	for i, s := range secrets {
		m := hmac.New(sha256.New, s.key())
		m.Write([]byte(id + "." + timestamp(at) + "."))
		m.Write(body)
		all[i] = "v1," + base64.StdEncoding.EncodeToString(m.Sum(nil))
	}
	return strings.Join(all, " ")
}

func timestamp(at time.Time) string { return strconv.FormatInt(at.Unix(), 10) }
