package monitoring

import "testing"

// Each panel has a place of its own, and something to show.
func TestDashboard(t *testing.T) {
	type cell struct{ x, y int }
	taken, ids := map[cell]string{}, map[int]bool{}
	d := NewDashboard()
	if len(d.Panels) < 30 {
		t.Fatalf("%d panels", len(d.Panels))
	}
	for _, p := range d.Panels {
		if ids[p.ID] {
			t.Errorf("%s: the id %d is another one's", p.Title, p.ID)
		}
		ids[p.ID] = true
		at := p.GridPos
		if at.X < 0 || at.X+at.W > dashboardWidth || at.W < 1 || at.H < 1 {
			t.Errorf("%s: outside, %+v", p.Title, at)
		}
		for x := at.X; x < at.X+at.W; x++ {
			for y := at.Y; y < at.Y+at.H; y++ {
				if by, ok := taken[cell{x, y}]; ok {
					t.Fatalf("%s is where %s is", p.Title, by)
				}
				taken[cell{x, y}] = p.Title
			}
		}
		if p.Type != "row" && (len(p.Targets) == 0 || p.Datasource == nil) {
			t.Errorf("%s: nothing to show", p.Title)
		}
	}
}
