package history

import (
	"fmt"
	"testing"
)

// benchRecords is the size of the room: all of it in two hours, which is the hardest case for pages.
const benchRecords = 1_000_000

// BenchmarkPage reads pages of a room at several depths; the same cost at every depth is the point.
func BenchmarkPage(b *testing.B) {
	s := open(b)
	fill(b, s, benchRecords)
	const size = 100
	_, info, err := s.MessagePage(b.Context(), MessageQuery{RoomID: "room", Page: Page{Number: 1, Size: size}})
	if err != nil || info.Total != benchRecords {
		b.Fatal(info, err)
	}
	for _, number := range []int{1, 100, benchRecords / size} {
		b.Run(fmt.Sprint(number), func(b *testing.B) {
			for b.Loop() {
				page, _, err := s.MessagePage(b.Context(), MessageQuery{
					RoomID: "room", Window: Window{Snapshot: info.Snapshot}, Page: Page{Number: number, Size: size},
				})
				if err != nil || len(page) != size {
					b.Fatal(len(page), err)
				}
			}
		})
	}
	b.Run("cut by a snapshot", func(b *testing.B) {
		for b.Loop() {
			page, _, err := s.MessagePage(b.Context(), MessageQuery{
				RoomID: "room", Window: Window{Snapshot: info.Snapshot - benchRecords/3}, Page: Page{Number: 100, Size: size},
			})
			if err != nil || len(page) != size {
				b.Fatal(len(page), err)
			}
		}
	})
}

// BenchmarkInsert inserts blocks of 100,000 records.
func BenchmarkInsert(b *testing.B) {
	s := open(b)
	rows := benchRows(100_000)
	for b.Loop() {
		insert(b, s, &Block{Messages: rows})
	}
	b.ReportMetric(float64(len(rows))*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}

func benchRows(n int) []MessageRow {
	rows := make([]MessageRow, n)
	for i := range rows {
		rows[i] = messageRow("room", start+int64(i)*5, 1<<48|uint64(i))
		rows[i].Content = fmt.Sprintf("a message of ordinary length that says something about number %d and its neighbours", i)
	}
	return rows
}

func fill(b *testing.B, s *Store, n int) {
	const block = 100_000
	for rows := benchRows(n); len(rows) > 0; rows = rows[min(block, len(rows)):] {
		insert(b, s, &Block{Messages: rows[:min(block, len(rows))]})
	}
}
