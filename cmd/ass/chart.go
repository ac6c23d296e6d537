package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/agent-secret-store/assd/vault/api"
)

// chartRows is how high a chart is, in lines; chartEdge what it takes on its left.
const (
	chartRows = 6
	chartEdge = 10
)

// eighths are columns of a line of one eighth of its height to all of it.
var eighths = []rune(" ▁▂▃▄▅▆▇█")

// chart draws how many events came in each bucket, a column each, within width; where
// there are too many for that, several share one.
func chart(s *api.AuditStats, width int) string {
	if len(s.Buckets) == 0 {
		return ""
	}
	room := max(width-chartEdge, 10)
	share := (len(s.Buckets) + room - 1) / room
	var columns []uint64
	most := uint64(1)
	for i, b := range s.Buckets {
		if i%share == 0 {
			columns = append(columns, 0)
		}
		at := len(columns) - 1
		columns[at] += b.Events
		most = max(most, columns[at])
	}
	each := max(1, min(room/len(columns), 4)) // few are drawn wider
	var out strings.Builder
	fmt.Fprintf(&out, "\nEvents in %s each:\n", span(time.Duration(s.BucketSeconds)*time.Second*time.Duration(share)))
	for row := chartRows - 1; row >= 0; row-- {
		label := ""
		if row == chartRows-1 {
			label = number(most)
		}
		fmt.Fprintf(&out, "%8s │%s\n", label, strings.TrimRight(chartLine(columns, most, row, each), " "))
	}
	fmt.Fprintf(&out, "%8s └%s\n", "0", strings.Repeat("─", each*len(columns)))
	fmt.Fprintf(&out, "%s%s on, UTC\n\n", strings.Repeat(" ", chartEdge), s.Buckets[0].Start.UTC().Format("2006-01-02 15:04"))
	return out.String()
}

// chartLine is one line of a chart, row 0 the lowest. What there is shows, however
// little.
func chartLine(columns []uint64, most uint64, row, each int) string {
	var line strings.Builder
	for _, n := range columns {
		height := int(float64(n) / float64(most) * 8 * chartRows)
		if n > 0 {
			height = max(height, 1)
		}
		cell := min(max(height-8*row, 0), 8)
		line.WriteString(strings.Repeat(string(eighths[cell]), each))
	}
	return line.String()
}

// span is a time in whole hours or days.
func span(d time.Duration) string {
	if d%(24*time.Hour) == 0 {
		return plural(int(d/(24*time.Hour)), "day")
	}
	return plural(int(d/time.Hour), "hour")
}
