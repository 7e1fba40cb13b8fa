package monitoring

import "k8s.io/utils/ptr"

const (
	dashboardWidth = 24
	panelHeight    = 7
	statHeight     = 4
)

// layout puts panels side by side, and begins a new line where they no longer fit.
type layout struct {
	panels       []Panel
	x, y, height int
}

// row begins a part with a title.
func (l *layout) row(title string) {
	l.line()
	l.add(Panel{Type: "row", Title: title, Collapsed: ptr.To(false), Panels: &[]Panel{}}, dashboardWidth, 1)
	l.line()
}

func (l *layout) line() { l.x, l.y, l.height = 0, l.y+l.height, 0 }

func (l *layout) add(p Panel, width, height int) {
	if l.x+width > dashboardWidth {
		l.line()
	}
	p.ID, p.GridPos = len(l.panels)+1, GridPos{l.x, l.y, width, height}
	l.panels = append(l.panels, p)
	l.x, l.height = l.x+width, max(l.height, height)
}

// query is a query and the name of its series.
type query struct{ expr, legend string }

func panel(kind, title, about, unit string, queries []query) Panel {
	p := Panel{
		Type: kind, Title: title, Description: about,
		Datasource:  &Datasource{"prometheus", "${datasource}"},
		FieldConfig: &FieldConfig{Defaults: FieldDefaults{Unit: unit}, Overrides: []struct{}{}},
	}
	for i, q := range queries {
		p.Targets = append(p.Targets, Target{RefID: string(rune('A' + i)), Expr: q.expr, Legend: q.legend, Instant: kind == "stat"})
	}
	return p
}

// graph is a third of a line, and begins at 0.
func (l *layout) graph(title, about, unit string, queries ...query) {
	p := panel("timeseries", title, about, unit, queries)
	p.FieldConfig.Defaults.Min = ptr.To(0.0)
	l.add(p, dashboardWidth/3, panelHeight)
}

// share is a graph of a part of one.
func (l *layout) share(title, about string, queries ...query) {
	p := panel("timeseries", title, about, "percentunit", queries)
	p.FieldConfig.Defaults.Min, p.FieldConfig.Defaults.Max = ptr.To(0.0), ptr.To(1.0)
	l.add(p, dashboardWidth/3, panelHeight)
}

// stat is a number that is green until it reaches bad, or, where bad is below good, from
// good on.
func (l *layout) stat(title, about, unit, expr string, good, bad float64) {
	p := panel("stat", title, about, unit, []query{{expr, ""}})
	steps := []Threshold{{Color: "green"}, {"red", ptr.To(bad)}}
	if bad < good {
		steps = []Threshold{{Color: "red"}, {"green", ptr.To(good)}}
	}
	p.FieldConfig.Defaults.Color = &Color{"thresholds"}
	p.FieldConfig.Defaults.Thresholds = &Thresholds{"absolute", steps}
	l.add(p, dashboardWidth/6, statHeight)
}
