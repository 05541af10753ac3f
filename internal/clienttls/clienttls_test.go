package clienttls

import (
	"crypto/tls"
	"encoding/pem"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestLoad(t *testing.T) {
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	dir := t.TempDir()
	ca, junk := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "junk.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	for path, b := range map[string][]byte{ca: text, junk: []byte("junk")} {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cfg, err := Load("KAFKA_TLS", Files{CA: ca})
	if err != nil {
		t.Fatal(err)
	}
	conn, err := tls.Dial("tcp", server.Listener.Addr().String(), cfg)
	if err != nil {
		t.Fatalf("the authority of the file is not believed: %v", err)
	}
	conn.Close()
	for want, f := range map[string]Files{
		"KAFKA_TLS_CA_FILE: open":           {CA: filepath.Join(dir, "none")},
		"KAFKA_TLS_CA_FILE: no certificate": {CA: junk},
		"KAFKA_TLS_CERT_FILE":               {Cert: junk, Key: junk},
		"KAFKA_TLS_KEY_FILE":                {Key: junk},
	} {
		if _, err := Load("KAFKA_TLS", f); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %s", f, err, want)
		}
	}
	if cfg, err := Load("KAFKA_TLS", Files{}); err != nil || cfg.RootCAs != nil {
		t.Errorf("without files: %+v, %v", cfg, err)
	}
}
