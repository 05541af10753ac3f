package testkit_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"splitsync/internal/devstack"
	"splitsync/internal/testkit"
)

// line sends a line to an echo server and returns what comes back.
func line(ctx context.Context, conn net.Conn, text string) (string, error) {
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		return "", err
	}
	if _, err := conn.Write([]byte(text)); err != nil {
		return "", err
	}
	buf := make([]byte, len(text))
	n, err := conn.Read(buf)
	return string(buf[:n]), err
}

// echo starts a server that sends back what it gets, and counts bytes.
func echo(t *testing.T) (addr string, taken chan int) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	taken = make(chan int, 100)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				buf := make([]byte, 1024)
				for {
					n, err := conn.Read(buf)
					if err != nil {
						return
					}
					taken <- n
					if _, err := conn.Write(buf[:n]); err != nil {
						return
					}
				}
			}()
		}
	}()
	return l.Addr().String(), taken
}

func dial(t *testing.T, addr string) net.Conn {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func TestProxyFaults(t *testing.T) {
	addr, taken := echo(t)
	p := testkit.NewProxy(t, addr)
	long, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()

	conn := dial(t, p.Addr())
	if got, err := line(long, conn, "one"); got != "one" {
		t.Fatal(got, err)
	}
	<-taken

	p.Stall()
	short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if got, err := line(short, conn, "two"); err == nil {
		t.Fatalf("%q came through a stall", got)
	}
	p.Heal()
	if got, err := line(long, conn, "six"); got != "two" && got != "twosix" {
		t.Fatalf("after the stall: %q, %v; want what was held back", got, err)
	}
	<-taken
	conn.Close()

	conn = dial(t, p.Addr())
	p.LoseAnswers(0)
	short, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if got, err := line(short, conn, "lost"); err == nil {
		t.Fatalf("the answer %q was not lost", got)
	}
	testkit.Eventually(t, 5*time.Second, func() error {
		select {
		case <-taken:
			return nil
		default:
			return errors.New("the request did not get through")
		}
	})
	p.Heal()
	if got, err := line(long, conn, "dead"); err == nil {
		t.Fatalf("the connection that lost an answer goes on with %q", got)
	}

	p.Cut()
	if conn, err := net.Dial("tcp", p.Addr()); err == nil {
		conn.Close()
		t.Fatal("a cut proxy accepts")
	}
	p.Heal()
	if got, err := line(long, dial(t, p.Addr()), "back"); got != "back" {
		t.Fatal(got, err)
	}
}

// TestKafkaClientStaysBehindTheProxy shows that a Kafka client stays behind the proxy, and what a lost answer
// does: the record is in the log and the client does not know.
func TestKafkaClientStaysBehindTheProxy(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	broker := testkit.FreshBroker(t, devstack.BrokerConfig{Fsync: true})
	p := testkit.NewProxy(t, broker.Addr())
	broker.Advertise(p.Addr())
	topic := testkit.Prefix(t) + "chat"
	transport := &kafka.Transport{}
	defer transport.CloseIdleConnections()
	client := &kafka.Client{Addr: kafka.TCP(p.Addr()), Transport: transport}
	if _, err := client.CreateTopics(ctx, &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{{Topic: topic, NumPartitions: 1, ReplicationFactor: 1}}}); err != nil {
		t.Fatal(err)
	}
	if err := produce(ctx, client, topic, "first"); err != nil {
		t.Fatal(err)
	}

	// A client that has just connected anew loses the answer to its greeting, and then sends nothing: it tries again.
	testkit.Eventually(t, 15*time.Second, func() error {
		p.LoseAnswers(20 * time.Millisecond)
		if err := produce(ctx, client, topic, "second"); err == nil {
			t.Fatal("the lost answer arrived")
		}
		p.Heal()
		transport.CloseIdleConnections()
		return wantEnd(ctx, client, topic, 2)
	})

	broker.Restart()
	testkit.Eventually(t, 10*time.Second, func() error { return wantEnd(ctx, client, topic, 2) })
}

func produce(ctx context.Context, client *kafka.Client, topic, value string) error {
	answer, err := client.Produce(ctx, &kafka.ProduceRequest{
		Topic: topic, RequiredAcks: kafka.RequireAll,
		Records: kafka.NewRecordReader(kafka.Record{Value: kafka.NewBytes([]byte(value))}),
	})
	if err != nil {
		return err
	}
	return answer.Error
}

func wantEnd(ctx context.Context, client *kafka.Client, topic string, want int64) error {
	answer, err := client.ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{topic: {kafka.LastOffsetOf(0)}}})
	if err != nil {
		return err
	}
	if got := answer.Topics[topic][0].LastOffset; got != want {
		return fmt.Errorf("the log ends at %d, want %d", got, want)
	}
	return nil
}
