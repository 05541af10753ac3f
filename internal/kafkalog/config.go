package kafkalog

import (
	"errors"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/sasl/plain"
	"github.com/segmentio/kafka-go/sasl/scram"

	"splitsync/internal/clienttls"
)

// Config says where the log is and how its topics are made.
type Config struct {
	Brokers           []string `env:"KAFKA_BROKERS" required:"true" help:"addresses of Kafka brokers, host:port, comma separated"`
	TopicPrefix       string   `env:"KAFKA_TOPIC_PREFIX" envDefault:"splitsync." help:"prefix of all topics and consumer groups"`
	Partitions        int      `env:"KAFKA_PARTITIONS" envDefault:"12" min:"1" max:"4096" help:"partitions of the topics chat, sessions and imports; never changed in place"`
	ReplicationFactor int      `env:"KAFKA_REPLICATION_FACTOR" envDefault:"1" min:"1" max:"15" help:"replicas of every topic; 3 in production"`
	RetentionHours    int      `env:"KAFKA_RETENTION_HOURS" envDefault:"168" min:"1" max:"87600" help:"how long Kafka keeps records"`
	TLSEnable         bool     `env:"KAFKA_TLS_ENABLE" envDefault:"false" help:"connect by TLS"`
	TLSCAFile         string   `env:"KAFKA_TLS_CA_FILE" help:"PEM file of the certificate authorities; empty = the system's"`
	TLSCertFile       string   `env:"KAFKA_TLS_CERT_FILE" help:"PEM file of the client's certificate"`
	TLSKeyFile        string   `env:"KAFKA_TLS_KEY_FILE" help:"PEM file of the client's key"`
	SASLMechanism     string   `env:"KAFKA_SASL_MECHANISM" envDefault:"none" oneof:"none,plain,scram-sha-256,scram-sha-512" help:"how to log in at Kafka"`
	SASLUsername      string   `env:"KAFKA_SASL_USERNAME" help:"user name for SASL"`
	SASLPassword      string   `env:"KAFKA_SASL_PASSWORD" secret:"true" help:"password for SASL"`

	// RetentionBytes bounds each partition of chat, sessions and imports; 0 = no bound. Only the embedded broker sets it.
	RetentionBytes int64
}

// dialer returns a dialer with TLS and SASL as configured.
func (c Config) dialer() (*kafka.Dialer, error) {
	d := &kafka.Dialer{Timeout: 5 * time.Second, DualStack: true, ClientID: "splitsync"}
	var err error
	if c.TLSEnable {
		if d.TLS, err = clienttls.Load("KAFKA_TLS", clienttls.Files{CA: c.TLSCAFile, Cert: c.TLSCertFile, Key: c.TLSKeyFile}); err != nil {
			return nil, err
		}
	}
	switch c.SASLMechanism {
	case "", "none":
	case "plain":
		d.SASLMechanism = plain.Mechanism{Username: c.SASLUsername, Password: c.SASLPassword}
	case "scram-sha-256":
		d.SASLMechanism, err = scram.Mechanism(scram.SHA256, c.SASLUsername, c.SASLPassword)
	case "scram-sha-512":
		d.SASLMechanism, err = scram.Mechanism(scram.SHA512, c.SASLUsername, c.SASLPassword)
	default:
		err = errors.New("must be none, plain, scram-sha-256 or scram-sha-512")
	}
	if err != nil {
		return nil, fmt.Errorf("KAFKA_SASL_MECHANISM: %w", err)
	}
	return d, nil
}
