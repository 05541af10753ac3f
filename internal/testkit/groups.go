package testkit

import (
	"testing"

	"github.com/segmentio/kafka-go"
)

// ForgetCommits deletes a consumer group that has no members, as an operator or an expiry might. group is the full name.
func ForgetCommits(tb testing.TB, broker, group string) {
	tb.Helper()
	transport := &kafka.Transport{}
	defer transport.CloseIdleConnections()
	c := &kafka.Client{Addr: kafka.TCP(broker), Transport: transport}
	res, err := c.DeleteGroups(tb.Context(), &kafka.DeleteGroupsRequest{GroupIDs: []string{group}})
	if err != nil {
		tb.Fatal(err)
	}
	if err := res.Errors[group]; err != nil {
		tb.Fatalf("delete group %s: %v", group, err)
	}
}
