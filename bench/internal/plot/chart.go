// Package plot draws line charts as SVG, to be read on a light page and on a dark one.
package plot

import (
	"bytes"
	"fmt"
	"html"
	"math"
)

// Chart is what is drawn. Every series has a point at least.
type Chart struct {
	Title      string
	X, Y       string // what the axes show, with the unit
	LogX, LogY bool   // then all values are above 0
	Series     []Series
	Spans      []Span
}

// Series is one line.
type Series struct {
	Name   string
	Points []Point
	Dots   bool // the points are marked
	Colour int  // which of the colours it has
}

// Point is a point of a line.
type Point struct{ X, Y float64 }

// Span marks part of the X axis.
type Span struct {
	Name     string
	From, To float64
}

// The picture's measures, in pixels.
const (
	width, height           = 760, 420
	left, right, top, below = 76, 190, 44, 56
)

// colours of the series, on a light page and on a dark one.
var colours = [][2]string{
	{"#1f6feb", "#58a6ff"}, {"#6e7781", "#9ea7b3"}, {"#cf222e", "#ff7b72"}, {"#8250df", "#bc8cff"},
	{"#bf8700", "#e3b341"}, {"#1a7f37", "#3fb950"}, {"#bf3989", "#f778ba"}, {"#0a7ea4", "#56d4dd"},
}

// SVG returns the drawing.
func (c Chart) SVG() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img" aria-label="%s">`+"\n",
		width, height, html.EscapeString(c.Title))
	style(&b)
	x, y := c.axes()
	for _, s := range c.Spans {
		from, to := x.at(s.From), x.at(s.To)
		fmt.Fprintf(&b, `<rect class="span" x="%.1f" y="%d" width="%.1f" height="%d"/>`+"\n", from, top, to-from, height-top-below)
		text(&b, (from+to)/2, top+14, "middle", "label", s.Name)
	}
	text(&b, left, 24, "start", "title", c.Title)
	c.grid(&b, x, y)
	for i, s := range c.Series {
		s.draw(&b, x, y)
		s.legend(&b, i)
	}
	b.WriteString("</svg>\n")
	return b.Bytes()
}

// axes returns how values become places.
func (c Chart) axes() (x, y scale) {
	x = scale{log: c.LogX, low: math.Inf(1), high: math.Inf(-1), from: left, to: width - right}
	y = scale{log: c.LogY, low: math.Inf(1), high: math.Inf(-1), from: height - below, to: top}
	for _, s := range c.Series {
		for _, p := range s.Points {
			x.include(p.X)
			y.include(p.Y)
		}
	}
	if !c.LogY {
		y.include(0)
	}
	x.widen(false)
	y.widen(true)
	return x, y
}

func (c Chart) grid(b *bytes.Buffer, x, y scale) {
	for _, t := range x.ticks() {
		at := x.at(t)
		fmt.Fprintf(b, `<line class="grid" x1="%.1f" y1="%d" x2="%.1f" y2="%d"/>`+"\n", at, top, at, height-below)
		text(b, at, height-below+18, "middle", "label", label(t))
	}
	for _, t := range y.ticks() {
		at := y.at(t)
		fmt.Fprintf(b, `<line class="grid" x1="%d" y1="%.1f" x2="%d" y2="%.1f"/>`+"\n", left, at, width-right, at)
		text(b, left-8, at+4, "end", "label", label(t))
	}
	text(b, (left+width-right)/2, height-14, "middle", "label", c.X)
	fmt.Fprintf(b, `<text class="label" text-anchor="middle" transform="translate(16 %d) rotate(-90)">%s</text>`+"\n",
		(top+height-below)/2, html.EscapeString(c.Y))
}

func (s Series) draw(b *bytes.Buffer, x, y scale) {
	colour := s.Colour % len(colours)
	fmt.Fprintf(b, `<polyline class="line c%d" points="`, colour)
	for i, p := range s.Points {
		if i > 0 {
			b.WriteByte(' ')
		}
		fmt.Fprintf(b, "%.1f,%.1f", x.at(p.X), y.at(p.Y))
	}
	b.WriteString(`"/>` + "\n")
	for _, p := range s.Points {
		if s.Dots {
			fmt.Fprintf(b, `<circle class="dot f%d" cx="%.1f" cy="%.1f" r="3"/>`+"\n", colour, x.at(p.X), y.at(p.Y))
		}
	}
}

func (s Series) legend(b *bytes.Buffer, i int) {
	at := top + 8 + 20*i
	fmt.Fprintf(b, `<line class="line c%d" x1="%d" y1="%d" x2="%d" y2="%d"/>`+"\n",
		s.Colour%len(colours), width-right+14, at, width-right+34, at)
	text(b, width-right+40, float64(at+4), "start", "label", s.Name)
}

func text(b *bytes.Buffer, x, y float64, anchor, class, s string) {
	fmt.Fprintf(b, `<text class="%s" x="%.1f" y="%.1f" text-anchor="%s">%s</text>`+"\n", class, x, y, anchor, html.EscapeString(s))
}

func style(b *bytes.Buffer) {
	b.WriteString("<style>\n" +
		"text { font-family: system-ui, sans-serif; font-size: 12px; fill: #24292f; } .title { font-size: 15px; font-weight: 600; }\n" +
		".grid { stroke: #8c959f; stroke-opacity: .35; } .line { fill: none; stroke-width: 2; stroke-linejoin: round; }\n" +
		".span { fill: #8c959f; fill-opacity: .15; }\n")
	for i, c := range colours {
		fmt.Fprintf(b, ".c%d { stroke: %s; } .f%d { fill: %s; }\n", i, c[0], i, c[0])
	}
	b.WriteString("@media (prefers-color-scheme: dark) {\ntext { fill: #e6edf3; }\n")
	for i, c := range colours {
		fmt.Fprintf(b, ".c%d { stroke: %s; } .f%d { fill: %s; }\n", i, c[1], i, c[1])
	}
	b.WriteString("}\n</style>\n")
}
