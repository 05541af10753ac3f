package kafkalog_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"splitsync/event"
	"splitsync/internal/kafkalog"
	"splitsync/internal/testkit"
)

// TestLeavingDoesNotWaitForADeadMember stops a consumer while the broker holds its join back, because a member that died was not missed yet.
func TestLeavingDoesNotWaitForADeadMember(t *testing.T) {
	l, cfg := open(t, 1)
	group := cfg.TopicPrefix + "g"
	transport := &kafka.Transport{}
	defer transport.CloseIdleConnections()
	client := &kafka.Client{Addr: kafka.TCP(cfg.Brokers...), Transport: transport}
	joinAndDie(t, client, group)

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		ended <- l.Consume(ctx, "g", []event.Topic{event.Chat}, func(ctx context.Context, _ *kafkalog.Generation) error {
			<-ctx.Done()
			return nil
		})
	}()
	testkit.Eventually(t, 10*time.Second, func() error {
		res, err := client.DescribeGroups(t.Context(), &kafka.DescribeGroupsRequest{GroupIDs: []string{group}})
		if err != nil {
			return err
		}
		if g := res.Groups[0]; g.GroupState != "PreparingRebalance" || len(g.Members) != 2 {
			return fmt.Errorf("state %s with %d members", g.GroupState, len(g.Members))
		}
		return nil
	})
	cancel()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(6 * time.Second):
		t.Error("leaving the group takes longer than 6 s")
		<-ended
	}
}

// joinAndDie makes a member of the group that does nothing from then on.
func joinAndDie(t *testing.T, client *kafka.Client, group string) {
	t.Helper()
	req := &kafka.JoinGroupRequest{
		GroupID: group, SessionTimeout: 30 * time.Second, RebalanceTimeout: 30 * time.Second, ProtocolType: "consumer",
		Protocols: []kafka.GroupProtocol{{Name: "range", Metadata: kafka.GroupProtocolSubscription{Topics: []string{"t"}}}},
	}
	testkit.Eventually(t, 20*time.Second, func() error {
		res, err := client.JoinGroup(t.Context(), req)
		if err == nil {
			err = res.Error
		}
		if errors.Is(err, kafka.MemberIDRequired) {
			req.MemberID = res.MemberID
		}
		return err
	})
}
