package send

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
)

// Outcome is what one request came to.
type Outcome int

// The outcomes of a request. The zero value is none.
const (
	OK        Outcome = iota + 1 // 2xx: the delivery is over
	Transient                    // may work in a moment: retry
	Endpoint                     // the address does not take callbacks now: pause, probe
	Payload                      // the receiver refuses this body: retry, split on 413, then dead letter
)

// String names the outcome for logs and metrics.
func (o Outcome) String() string {
	switch o {
	case OK:
		return "ok"
	case Transient:
		return "transient"
	case Endpoint:
		return "endpoint"
	case Payload:
		return "payload"
	}
	return "none"
}

// statuses is the one table of statuses that differ from their class.
var statuses = map[int]Outcome{
	http.StatusBadRequest:            Payload,
	http.StatusUnauthorized:          Endpoint,
	http.StatusForbidden:             Endpoint,
	http.StatusNotFound:              Endpoint,
	http.StatusMethodNotAllowed:      Endpoint,
	http.StatusRequestTimeout:        Transient,
	http.StatusGone:                  Endpoint,
	http.StatusRequestEntityTooLarge: Payload,
	http.StatusUnsupportedMediaType:  Payload,
	http.StatusUnprocessableEntity:   Payload,
	http.StatusTooEarly:              Transient,
	http.StatusTooManyRequests:       Transient,
}

// OfStatus is the outcome of an answer with that status: 2xx is OK, redirects are never followed and so a fault of the endpoint, everything
// unlisted is transient: it is given up only while others succeed.
func OfStatus(status int) Outcome {
	if o, ok := statuses[status]; ok {
		return o
	}
	switch status / 100 {
	case 2:
		return OK
	case 3:
		return Endpoint
	}
	return Transient
}

// OfError is the outcome of a request without an answer: names that do not resolve and certificates that do not hold are faults of the
// endpoint, the rest (refused, reset, timeout, cut short) is transient. reason is short and holds no address.
func OfError(err error) (o Outcome, reason string) {
	var dns *net.DNSError
	var record tls.RecordHeaderError
	var alert tls.AlertError
	var cert *tls.CertificateVerificationError
	var unknown x509.UnknownAuthorityError
	var host x509.HostnameError
	var timeout interface{ Timeout() bool }
	switch {
	case errors.As(err, &dns):
		return Endpoint, "dns"
	case errors.As(err, &record), errors.As(err, &alert), errors.As(err, &cert), errors.As(err, &unknown), errors.As(err, &host):
		return Endpoint, "tls"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return Transient, "timeout"
	case errors.Is(err, context.Canceled):
		return Transient, "canceled"
	}
	return Transient, "connection"
}
