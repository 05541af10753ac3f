// Package clienttls makes the TLS settings of our connections to Kafka and ClickHouse from files. It promises TLS 1.2 or newer, and that an
// error names the variable at fault.
package clienttls

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
)

// Files name PEM files. All may be empty: then the system's authorities count, and the client shows no certificate.
type Files struct {
	CA, Cert, Key string
}

// Load returns the settings for a client. prefix is that of the variables, such as KAFKA_TLS.
func Load(prefix string, f Files) (*tls.Config, error) {
	t := &tls.Config{MinVersion: tls.VersionTLS12}
	if f.CA != "" {
		pem, err := os.ReadFile(f.CA)
		if err != nil {
			return nil, fmt.Errorf("%s_CA_FILE: %w", prefix, err)
		}
		t.RootCAs = x509.NewCertPool()
		if !t.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s_CA_FILE: no certificate in %s", prefix, f.CA)
		}
	}
	if f.Cert != "" || f.Key != "" {
		pair, err := tls.LoadX509KeyPair(f.Cert, f.Key)
		if err != nil {
			return nil, fmt.Errorf("%s_CERT_FILE, %s_KEY_FILE: %w", prefix, prefix, err)
		}
		t.Certificates = []tls.Certificate{pair}
	}
	return t, nil
}
