package load

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strconv"
	"strings"
	"time"
)

const (
	secretPrefix = "whsec_"
	signedWithin = 5 * time.Minute // how far webhook-timestamp may be from now
)

// parseSecret reads whsec_BASE64. The error never repeats it.
func parseSecret(s string) ([]byte, error) {
	text, ok := strings.CutPrefix(s, secretPrefix)
	key, err := base64.StdEncoding.DecodeString(text)
	if !ok || err != nil {
		return nil, errors.New("a signing secret must be whsec_ and base64")
	}
	return key, nil
}

// verify checks a callback as the Standard Webhooks specification says. It is written anew rather than taken from the exporter: it has to find
// what is wrong there.
func verify(keys [][]byte, id, timestamp, signatures string, body []byte) error {
	if id == "" {
		return errors.New("has no webhook-id")
	}
	at, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil || time.Since(time.Unix(at, 0)).Abs() > signedWithin {
		return errors.New("webhook-timestamp is missing or not of these minutes")
	}
	for _, key := range keys {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(id + "." + timestamp + "."))
		mac.Write(body)
		want := mac.Sum(nil)
		for s := range strings.SplitSeq(signatures, " ") {
			text, ok := strings.CutPrefix(s, "v1,")
			got, err := base64.StdEncoding.DecodeString(text)
			if ok && err == nil && hmac.Equal(got, want) {
				return nil
			}
		}
	}
	return errors.New("no signature is right")
}
