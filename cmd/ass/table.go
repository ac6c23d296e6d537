package main

import (
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// sheet is a table with a title on its left and a count on its right.
type sheet struct {
	title, count string // our own words, and names that have been checked
	columns      []string
	rows         [][]string // foreign text, made safe when printed
	whole        bool       // what is longer than a cell takes more lines, and is not cut
}

// Columns that a title takes beside its two texts.
const (
	frame  = 4 // the bars at both ends, each with a blank
	minGap = 2 // between title and count
)

// String draws the sheet. The last column is widened where the title needs it.
func (s sheet) String() string {
	t := table.NewWriter()
	style := table.StyleLight
	style.Format.Header = text.FormatDefault
	t.SetStyle(style)
	t.AppendHeader(s.cells(s.columns))
	for _, r := range s.rows {
		t.AppendRow(s.cells(r))
	}
	titles := text.StringWidth(s.title) + text.StringWidth(s.count)
	top, _, _ := strings.Cut(t.Render(), "\n")
	gap := text.StringWidth(top) - frame - titles
	widen := max(minGap-gap, 0)
	t.SetTitle("%s", s.title+strings.Repeat(" ", gap+widen)+s.count)
	t.SetColumnConfigs(s.layout(widen))
	return t.Render() + "\n"
}

// layout puts all columns to the left, numbers too, and widens the last one.
func (s sheet) layout(widen int) []table.ColumnConfig {
	var all []table.ColumnConfig
	for i := range s.columns {
		all = append(all, table.ColumnConfig{Number: i + 1, Align: text.AlignLeft, AlignHeader: text.AlignLeft})
	}
	all[len(all)-1].WidthMin = s.lastWidth() + widen
	return all
}

// lastWidth is the width of the last column's text.
func (s sheet) lastWidth() int {
	last := len(s.columns) - 1
	width := text.StringWidth(s.columns[last])
	for _, r := range s.rows {
		width = max(width, text.LongestLineLen(s.cell(r[last])))
	}
	return width
}

func (s sheet) cells(texts []string) table.Row {
	r := make(table.Row, len(texts))
	for i, t := range texts {
		r[i] = s.cell(t)
	}
	return r
}

func (s sheet) cell(t string) string {
	if s.whole {
		return folded(t, maxCell)
	}
	return foreign(t, maxCell)
}
