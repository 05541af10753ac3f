package kafkalog

import (
	"encoding/binary"
	"hash/crc32"
	"math"
)

// Where the fields of a record batch (message format 2) stand behind the 4-byte length that precedes it in a request.
// Source: Apache Kafka protocol guide, "Record Batch".
const (
	lengthPrefix   = 4
	batchHeader    = 61
	atBatchLength  = lengthPrefix + 8
	atCRC          = lengthPrefix + 17
	atAttributes   = lengthPrefix + 21
	bytesUntilBody = 12 // base offset and batch length are not counted in batch length
)

// castagnoli is the polynomial of a batch's checksum. The table is never written to.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// session is a producer id with its epoch: the identity under which the broker drops repeats.
type session struct {
	id    int64
	epoch int16
}

// appendBatch encodes records as one uncompressed batch behind a 4-byte length, the form in which a produce request carries it. The same
// records, session and sequence give the same bytes, so that a resend is recognized by the broker. Times of 0 must have been filled in.
func appendBatch(buf []byte, records []Outgoing, s session, sequence int32) []byte {
	first, last := records[0].Time, records[0].Time
	for i := range records {
		last = max(last, records[i].Time)
	}
	be := binary.BigEndian
	buf = append(buf, make([]byte, lengthPrefix+8+4)...) // request length, base offset 0, batch length
	buf = be.AppendUint32(buf, 0xffffffff)               // partition leader epoch: unknown
	buf = append(buf, 2)                                 // magic
	buf = append(buf, 0, 0, 0, 0)                        // checksum
	buf = append(buf, 0, 0)                              // attributes: not compressed, create time
	buf = be.AppendUint32(buf, uint32(len(records)-1))   // last offset delta
	buf = be.AppendUint64(buf, uint64(first))            // base timestamp
	buf = be.AppendUint64(buf, uint64(last))             // max timestamp
	buf = be.AppendUint64(buf, uint64(s.id))             // producer id
	buf = be.AppendUint16(buf, uint16(s.epoch))          // producer epoch
	buf = be.AppendUint32(buf, uint32(sequence))         // base sequence
	buf = be.AppendUint32(buf, uint32(len(records)))     // number of records
	for i := range records {
		buf = appendRecord(buf, &records[i], i, first)
	}
	be.PutUint32(buf, uint32(len(buf)-lengthPrefix))
	be.PutUint32(buf[atBatchLength:], uint32(len(buf)-lengthPrefix-bytesUntilBody))
	be.PutUint32(buf[atCRC:], crc32.Checksum(buf[atAttributes:], castagnoli))
	return buf
}

// nextSequence is the sequence behind n records; it starts again at 0 behind the greatest int32, as brokers count.
func nextSequence(sequence int32, n int) int32 {
	return int32((int64(sequence) + int64(n)) & math.MaxInt32)
}

func appendRecord(buf []byte, r *Outgoing, delta int, baseTime int64) []byte {
	n := 1 + varintLen(r.Time-baseTime) + varintLen(int64(delta)) + bytesLen(r.Key) + bytesLen(r.Value) + varintLen(int64(len(r.Headers)))
	for i := range r.Headers {
		n += varintLen(int64(len(r.Headers[i].Key))) + len(r.Headers[i].Key) + bytesLen(r.Headers[i].Value)
	}
	buf = binary.AppendVarint(buf, int64(n))
	buf = append(buf, 0) // attributes
	buf = binary.AppendVarint(buf, r.Time-baseTime)
	buf = binary.AppendVarint(buf, int64(delta))
	buf = appendBytes(buf, r.Key)
	buf = appendBytes(buf, r.Value)
	buf = binary.AppendVarint(buf, int64(len(r.Headers)))
	for i := range r.Headers {
		buf = binary.AppendVarint(buf, int64(len(r.Headers[i].Key)))
		buf = append(buf, r.Headers[i].Key...)
		buf = appendBytes(buf, r.Headers[i].Value)
	}
	return buf
}

func appendBytes(buf, b []byte) []byte {
	if b == nil {
		return binary.AppendVarint(buf, -1)
	}
	return append(binary.AppendVarint(buf, int64(len(b))), b...)
}

func bytesLen(b []byte) int {
	if b == nil {
		return varintLen(-1)
	}
	return varintLen(int64(len(b))) + len(b)
}

// varintLen is the size of a zigzag varint.
func varintLen(v int64) int {
	u := uint64(v<<1) ^ uint64(v>>63)
	n := 1
	for u >= 0x80 {
		u >>= 7
		n++
	}
	return n
}
