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
	width        int        // columns of the terminal that it has to fit in; 0: as wide as it is
}

// Columns that a title takes beside its two texts.
const (
	frame  = 4 // the bars at both ends, each with a blank
	minGap = 2 // between title and count
)

// narrowest is how far a column is narrowed: to a date, with a time below it. A table that
// does not fit then is printed as a list.
const narrowest = 10

// String draws the sheet. The last column is widened where the title needs it.
func (s sheet) String() string {
	widths, fits := s.fit()
	if !fits {
		return s.list()
	}
	rows := make([][]string, 0, len(s.rows))
	for _, r := range s.rows {
		rows = append(rows, s.cells(r, widths, "↳ "))
	}
	t := table.NewWriter()
	style := table.StyleLight
	style.Format.Header = text.FormatDefault
	t.SetStyle(style)
	header := s.cells(s.columns, widths, "")
	t.AppendHeader(tableRow(header))
	for _, r := range rows {
		t.AppendRow(tableRow(r))
	}
	top, _, _ := strings.Cut(t.Render(), "\n")
	count := s.count
	if room := s.width - frame - minGap - text.StringWidth(s.title); s.width > 0 {
		count = text.Snip(count, max(room, 1), "…")
	}
	gap := text.StringWidth(top) - frame - text.StringWidth(s.title) - text.StringWidth(count)
	widen := max(minGap-gap, 0)
	t.SetTitle("%s", s.title+strings.Repeat(" ", gap+widen)+count)
	t.SetColumnConfigs(layout(header, rows, widen))
	return t.Render() + "\n"
}

// fit is how wide each column may be, nil for as wide as it is; and whether it can be made
// to fit at all.
func (s sheet) fit() (widths []int, fits bool) {
	all := 1
	for i, name := range s.columns {
		w := text.StringWidth(name)
		for _, r := range s.rows {
			w = max(w, text.LongestLineLen(s.cell(r[i])))
		}
		widths = append(widths, w)
		all += w + 3
	}
	if s.width == 0 || all <= s.width {
		return nil, true
	}
	for ; all > s.width; all-- {
		widest := 0
		for i, w := range widths {
			if w > widths[widest] {
				widest = i
			}
		}
		if widths[widest] <= narrowest {
			return nil, false
		}
		widths[widest]--
	}
	return widths, true
}

// list is the sheet where there is no room for a table: a line for each cell that has
// something in it, and an empty line between rows.
func (s sheet) list() string {
	var b strings.Builder
	b.WriteString(wrapped(s.title+"  "+s.count, s.width, "  ") + "\n")
	for _, r := range s.rows {
		b.WriteByte('\n')
		for i, cell := range r {
			if cell != "" {
				b.WriteString(wrapped(s.columns[i]+": "+s.cell(cell), s.width, "  ↳ ") + "\n")
			}
		}
	}
	return b.String()
}

// layout puts all columns to the left, numbers too, and widens the last one.
func layout(header []string, rows [][]string, widen int) []table.ColumnConfig {
	var all []table.ColumnConfig
	for i := range header {
		all = append(all, table.ColumnConfig{Number: i + 1, Align: text.AlignLeft, AlignHeader: text.AlignLeft})
	}
	last := len(header) - 1
	width := text.LongestLineLen(header[last])
	for _, r := range rows {
		width = max(width, text.LongestLineLen(r[last]))
	}
	all[last].WidthMin = width + widen
	return all
}

// cells is a row as it is printed, within widths unless they are nil.
func (s sheet) cells(texts []string, widths []int, marker string) []string {
	r := make([]string, len(texts))
	for i, t := range texts {
		if r[i] = s.cell(t); widths != nil {
			r[i] = wrapped(r[i], widths[i], marker)
		}
	}
	return r
}

func tableRow(cells []string) table.Row {
	r := make(table.Row, len(cells))
	for i, c := range cells {
		r[i] = c
	}
	return r
}

func (s sheet) cell(t string) string {
	if s.whole {
		return folded(t, maxCell)
	}
	return foreign(t, maxCell)
}
