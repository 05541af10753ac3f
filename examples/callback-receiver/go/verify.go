package main

import (
	"errors"
	"fmt"
	"net/http"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// verifier checks Standard Webhooks signatures: v1, 5 minutes of tolerance. Several secrets let them rotate; none means that nothing is checked.
type verifier []*standardwebhooks.Webhook

func newVerifier(secrets []string) (verifier, error) {
	var v verifier
	for _, s := range secrets {
		w, err := standardwebhooks.NewWebhook(s)
		if err != nil {
			return nil, errors.New("a signing secret must be whsec_ and base64")
		}
		v = append(v, w)
	}
	return v, nil
}

// verify returns a refusal unless one of the secrets has signed one of the bodies (the text, and what was on the wire when it was compressed).
func (v verifier) verify(h http.Header, bodies ...[]byte) error {
	var last error
	for _, w := range v {
		for _, body := range bodies {
			err := w.Verify(body, h)
			if err == nil {
				return nil
			}
			last = err
		}
	}
	if last == nil {
		return nil
	}
	reason := "signature"
	for _, e := range []error{standardwebhooks.ErrMessageTooOld, standardwebhooks.ErrMessageTooNew, standardwebhooks.ErrInvalidHeaders} {
		if errors.Is(last, e) {
			reason = "timestamp"
		}
	}
	return &refusal{http.StatusUnauthorized, reason, fmt.Sprintf("not verified: %v", last)}
}
