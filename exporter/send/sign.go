package send

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"hash"
	"io"
	"strconv"
	"strings"
)

// SecretPrefix stands before a signing secret in its written form.
const SecretPrefix = "whsec_"

// minKey is the least length of a signing key in bytes, from the Standard Webhooks specification.
const minKey = 24

// ParseSecret reads whsec_BASE64 and returns the key. The error never repeats the secret.
func ParseSecret(s string) ([]byte, error) {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(s, SecretPrefix))
	if err != nil || !strings.HasPrefix(s, SecretPrefix) {
		return nil, errors.New("a signing secret must be whsec_ and base64")
	}
	if len(key) < minKey {
		return nil, errors.New("a signing secret must have 24 bytes or more")
	}
	return key, nil
}

// Sign returns the value of webhook-signature for a body: one v1 signature a key, so that receivers can change keys. The body is read as
// a stream: a big one is never in memory.
func Sign(keys [][]byte, id string, unix int64, body io.Reader) (string, error) {
	macs := make([]hash.Hash, len(keys))
	writers := make([]io.Writer, len(keys))
	head := id + "." + strconv.FormatInt(unix, 10) + "."
	for i, k := range keys {
		macs[i] = hmac.New(sha256.New, k)
		macs[i].Write([]byte(head))
		writers[i] = macs[i]
	}
	if _, err := io.Copy(io.MultiWriter(writers...), body); err != nil {
		return "", err
	}
	sigs := make([]string, len(macs))
	for i, m := range macs {
		sigs[i] = "v1," + base64.StdEncoding.EncodeToString(m.Sum(nil))
	}
	return strings.Join(sigs, " "), nil
}
