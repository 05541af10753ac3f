package kafkalog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go"

	"splitsync/event"
)

const (
	sessionTimeout    = 10 * time.Second
	rebalanceTimeout  = 15 * time.Second
	heartbeatInterval = time.Second
	joinBackoff       = 500 * time.Millisecond
)

// ErrLeaseExpired tells that a commit was refused here, because this process can no longer be sure that it owns the partitions.
var ErrLeaseExpired = errors.New("consumer lease has run out")

// Claim is one partition that a generation owns.
type Claim struct {
	Topic     event.Topic
	Partition int
	Offset    int64 // committed; -1 = none
	Metadata  string
}

// Commit is a position to be stored: Offset is the next one to be read. Metadata has at most 4,096 bytes.
type Commit struct {
	Topic     event.Topic
	Partition int
	Offset    int64
	Metadata  string
}

// Generation is the time between two rebalances of a consumer group.
type Generation struct {
	log    *Log
	group  string
	id     int32
	member string
	claims []Claim
	lease  atomic.Pointer[time.Time] // when the last heartbeat that succeeded was sent
}

// Consume joins a consumer group (its name gets the topic prefix) and calls run once a generation, until ctx ends. run's ctx ends with the
// generation, and run must return then. An error that run returns while its ctx lives ends Consume. Partitions are assigned by range, so
// that one member owns the same partition numbers of all topics. Brokers that do not answer are asked again for ever.
func (l *Log) Consume(ctx context.Context, group string, topics []event.Topic, run func(context.Context, *Generation) error) error {
	cg, links, err := l.joinGroup(group, topics)
	if err != nil {
		return err
	}
	defer links.leave(cg)
	logged := time.Time{}
	for {
		gen, err := cg.Next(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			if time.Since(logged) > time.Minute {
				logged = time.Now()
				l.log.Warn("consumer group is not ready, trying on", "group", group, "error", err.Error())
			}
			continue
		}
		if err := l.runGeneration(ctx, group, topics, gen, run); err != nil {
			return fmt.Errorf("consume %v as %s: %w", topics, group, err)
		}
		if ctx.Err() != nil {
			return nil
		}
	}
}

func (l *Log) joinGroup(group string, topics []event.Topic) (*kafka.ConsumerGroup, *conns, error) {
	dialer, err := l.cfg.dialer()
	if err != nil {
		return nil, nil, err
	}
	links := newConns(dialer)
	names := make([]string, len(topics))
	for i, t := range topics {
		names[i] = l.topic(t)
	}
	cg, err := kafka.NewConsumerGroup(kafka.ConsumerGroupConfig{
		ID: l.cfg.TopicPrefix + group, Brokers: l.cfg.Brokers, Dialer: dialer, Topics: names,
		GroupBalancers:    []kafka.GroupBalancer{kafka.RangeGroupBalancer{}},
		HeartbeatInterval: heartbeatInterval, SessionTimeout: sessionTimeout, RebalanceTimeout: rebalanceTimeout,
		JoinGroupBackoff: joinBackoff, StartOffset: kafka.FirstOffset,
		ErrorLogger: kafka.LoggerFunc(func(string, ...any) {}), // Next returns the same errors
	})
	if err != nil {
		return nil, nil, fmt.Errorf("join group %s: %w", group, err)
	}
	return cg, links, nil
}

// runGeneration runs one generation to its end and waits for all its goroutines.
func (l *Log) runGeneration(ctx context.Context, group string, topics []event.Topic, kg *kafka.Generation, run func(context.Context, *Generation) error) error {
	g := &Generation{log: l, group: group, id: kg.ID, member: kg.MemberID}
	finished := make(chan error, 1)
	kg.Start(func(genCtx context.Context) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		stop := context.AfterFunc(genCtx, cancel)
		defer stop()
		finished <- g.live(ctx, cancel, kg, topics, run)
	})
	return <-finished
}

func (g *Generation) live(ctx context.Context, cancel context.CancelFunc, kg *kafka.Generation, topics []event.Topic, run func(context.Context, *Generation) error) error {
	if err := g.heartbeat(ctx); err != nil {
		return nil // the next generation comes
	}
	for _, t := range topics {
		var partitions []int
		for _, a := range kg.Assignments[g.log.topic(t)] {
			partitions = append(partitions, a.ID)
		}
		if len(partitions) == 0 {
			continue
		}
		claims, err := g.log.fetchCommits(ctx, g.group, t, partitions)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		g.claims = append(g.claims, claims...)
	}
	g.log.log.Debug("consumer generation starts", "group", g.group, slog.Int("generation", int(g.id)), slog.Int("partitions", len(g.claims)))
	var beats sync.WaitGroup
	beats.Add(1)
	go func() {
		defer beats.Done()
		defer cancel()
		g.keepLease(ctx)
	}()
	err := run(ctx, g)
	ended := ctx.Err() != nil
	cancel()
	beats.Wait()
	if ended {
		return nil
	}
	return err
}

// keepLease sends heartbeats until ctx ends or the coordinator says that the generation is over.
func (g *Generation) keepLease(ctx context.Context) {
	tick := time.NewTicker(heartbeatInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			var code kafka.Error
			if err := g.heartbeat(ctx); errors.As(err, &code) && !code.Temporary() {
				return
			}
		}
	}
}

func (g *Generation) heartbeat(ctx context.Context) error {
	sent := time.Now()
	ctx, cancel := context.WithTimeout(ctx, sessionTimeout/2)
	defer cancel()
	res, err := g.log.client.Heartbeat(ctx, &kafka.HeartbeatRequest{
		GroupID: g.log.cfg.TopicPrefix + g.group, GenerationID: g.id, MemberID: g.member,
	})
	if err == nil {
		err = res.Error
	}
	if err == nil {
		g.lease.Store(&sent)
	}
	return err
}

// Claims returns the partitions of this generation with what was committed when it began.
func (g *Generation) Claims() []Claim { return append([]Claim(nil), g.claims...) }

// Live tells whether this process surely still owns its claims: the last heartbeat that succeeded was sent less than half a session
// timeout ago, by the monotonic clock.
func (g *Generation) Live() bool {
	sent := g.lease.Load()
	return sent != nil && time.Since(*sent) < sessionTimeout/2
}

// Commit stores positions, fenced by the generation: a member that was thrown out cannot overwrite its successor's. It fails with
// ErrLeaseExpired without asking when the lease has run out.
func (g *Generation) Commit(ctx context.Context, commits ...Commit) error {
	if !g.Live() {
		return fmt.Errorf("commit %s: %w", g.group, ErrLeaseExpired)
	}
	topics := map[string][]kafka.OffsetCommit{}
	for _, c := range commits {
		name := g.log.topic(c.Topic)
		topics[name] = append(topics[name], kafka.OffsetCommit{Partition: c.Partition, Offset: c.Offset, Metadata: c.Metadata})
	}
	if len(topics) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	res, err := g.log.client.OffsetCommit(ctx, &kafka.OffsetCommitRequest{
		GroupID: g.log.cfg.TopicPrefix + g.group, GenerationID: int(g.id), MemberID: g.member, Topics: topics,
	})
	if err != nil {
		return fmt.Errorf("commit %s: %w", g.group, err)
	}
	for name, partitions := range res.Topics {
		for _, p := range partitions {
			if p.Error != nil {
				return fmt.Errorf("commit %s for %s/%d: %w", g.group, name, p.Partition, p.Error)
			}
		}
	}
	return nil
}
