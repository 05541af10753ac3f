package kafkalog

import (
	"errors"

	"github.com/segmentio/kafka-go"
)

// fate is what to do about a produce request that failed.
type fate int

const (
	fateResend      fate = iota // send the same bytes again
	fateTooLarge                // the record will never fit
	fateRefused                 // the broker will never take it
	fateFenced                  // another process ended this session
	fateSessionLost             // the broker forgot this session
)

// produceFates is the one table from a broker's answer to its fate. Codes that are not here are sent again, with an unknown outcome.
// Source: Apache Kafka protocol guide, "Error Codes".
var produceFates = map[kafka.Error]struct {
	fate    fate
	certain bool // the batch is certainly not in the log
}{
	kafka.UnknownTopicOrPartition:      {fateResend, false}, // these three also come when a leader loses its office
	kafka.LeaderNotAvailable:           {fateResend, false}, // after it appended, while it waits for the replicas
	kafka.NotLeaderForPartition:        {fateResend, false},
	kafka.NotEnoughReplicas:            {fateResend, true},
	kafka.RequestTimedOut:              {fateResend, false},
	kafka.NotEnoughReplicasAfterAppend: {fateResend, false},
	kafka.KafkaStorageError:            {fateResend, false},
	kafka.NetworkException:             {fateResend, false},
	kafka.MessageSizeTooLarge:          {fateTooLarge, true},
	kafka.RecordListTooLarge:           {fateTooLarge, true},
	kafka.InvalidTimestamp:             {fateRefused, true},
	kafka.InvalidRecord:                {fateRefused, true},
	kafka.TopicAuthorizationFailed:     {fateRefused, true},
	kafka.ClusterAuthorizationFailed:   {fateRefused, true},
	kafka.InvalidTopic:                 {fateRefused, true},
	kafka.UnsupportedForMessageFormat:  {fateRefused, true},
	kafka.InvalidProducerEpoch:         {fateFenced, true},
	kafka.ProducerFenced:               {fateFenced, true},
	kafka.UnknownProducerId:            {fateSessionLost, true},
	kafka.OutOfOrderSequenceNumber:     {fateSessionLost, true},
	kafka.DuplicateSequenceNumber:      {fateSessionLost, false},
}

// fateOf returns the fate of a failed request, and whether this one attempt certainly put nothing into the log.
func fateOf(err error) (f fate, certain bool) {
	var code kafka.Error
	if errors.As(err, &code) {
		if e, ok := produceFates[code]; ok {
			return e.fate, e.certain
		}
		return fateResend, false
	}
	return fateResend, neverSent(err)
}
