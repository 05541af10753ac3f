package kafkalog

import (
	"context"
	"net"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
)

// leaveTime is how long the goodbye of a consumer group may take. A broker that holds a JoinGroup back, because it waits for a member that has
// died, would else delay the end of the process by up to a rebalance timeout.
const leaveTime = 2 * time.Second

// conns are the connections of a consumer group, so that they can be cut: kafka-go's Close waits for the answers to what is under way.
type conns struct {
	dialer net.Dialer

	mu   sync.Mutex
	open map[*cuttable]struct{}
	cut  bool
}

// cuttable is a connection that forgets itself when it is closed.
type cuttable struct {
	net.Conn
	of *conns
}

// newConns makes d dial through the returned conns.
func newConns(d *kafka.Dialer) *conns {
	c := &conns{dialer: net.Dialer{Timeout: d.Timeout}, open: map[*cuttable]struct{}{}}
	d.DialFunc = c.dial
	return c
}

func (c *conns) dial(ctx context.Context, network, address string) (net.Conn, error) {
	nc, err := c.dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cut {
		_ = nc.Close()
		return nil, net.ErrClosed
	}
	k := &cuttable{nc, c}
	c.open[k] = struct{}{}
	return k, nil
}

// Close closes the connection.
func (k *cuttable) Close() error {
	k.of.mu.Lock()
	delete(k.of.open, k)
	k.of.mu.Unlock()
	return k.Conn.Close()
}

// end closes all connections and refuses new ones.
func (c *conns) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cut = true
	for k := range c.open {
		_ = k.Conn.Close()
	}
}

// leave ends a group within leaveTime.
func (c *conns) leave(cg *kafka.ConsumerGroup) {
	stop := time.AfterFunc(leaveTime, c.end)
	defer stop.Stop()
	_ = cg.Close()
}
