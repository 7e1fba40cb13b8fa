package cli

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/loadline/loadline/policy/api/v1alpha1"
)

func bluegreen(edit func(*v1alpha1.AutoscalingPolicy)) *v1alpha1.AutoscalingPolicy {
	p := &v1alpha1.AutoscalingPolicy{}
	p.Name = "web"
	p.Spec.TargetRef = v1alpha1.TargetReference{APIVersion: "apps/v1", Kind: "Deployment", Name: "blue"}
	p.Spec.BlueGreen = &v1alpha1.BlueGreen{Service: "web", OtherRef: v1alpha1.TargetReference{APIVersion: "apps/v1", Kind: "Deployment", Name: "green"}, Mode: v1alpha1.Managed}
	edit(p)
	return p
}

func TestSwitchTarget(t *testing.T) {
	green := func(p *v1alpha1.AutoscalingPolicy) {
		p.Status.BlueGreen = &v1alpha1.BlueGreenState{Serving: "green"}
	}
	underWay := func(phase v1alpha1.SwitchPhase, active string) func(*v1alpha1.AutoscalingPolicy) {
		return func(p *v1alpha1.AutoscalingPolicy) {
			p.Spec.BlueGreen.Active = active
			p.Status.BlueGreen = &v1alpha1.BlueGreenState{Serving: "blue", Switch: &v1alpha1.Switch{From: "blue", To: "green", Managed: true, Phase: phase}}
		}
	}
	for name, tt := range map[string]struct {
		edit func(*v1alpha1.AutoscalingPolicy)
		to   string
		want string // or the error
	}{
		"once more in Preflight":   {underWay(v1alpha1.Preflight, "green"), "", "blue"},
		"once more in Retargeting": {underWay(v1alpha1.Retargeting, "green"), "", "blue"},
		"after all":                {underWay(v1alpha1.Reverting, "blue"), "", "green"},
		"after it was given up":    {underWay(v1alpha1.Aborted, "green"), "", "green"},
		"the other one":            {func(*v1alpha1.AutoscalingPolicy) {}, "", "green"},
		"and back":                 {green, "", "blue"},
		"by name":                  {green, "green", "green"},
		"neither":                  {green, "red", "red is neither of the two workloads: give blue or green"},
		"no blueGreen":             {func(p *v1alpha1.AutoscalingPolicy) { p.Spec.BlueGreen = nil }, "", "the policy web has no spec.blueGreen"},
		"someone else's":           {func(p *v1alpha1.AutoscalingPolicy) { p.Spec.BlueGreen.Mode = v1alpha1.Observed }, "", "the mode of the policy web is Observed: change the selector of the Service web to the labels of the pods of green, and the HPA goes along; or set spec.blueGreen.mode to Managed"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := switchTarget(bluegreen(tt.edit), tt.to)
			if err != nil {
				got = err.Error()
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Which way it goes is said.
func TestSwitchWay(t *testing.T) {
	for name, tt := range map[string]struct {
		state  *v1alpha1.BlueGreenState
		active string
		want   string
	}{
		"there":       {nil, "", "The Service web is to go from blue to green."},
		"nothing":     {&v1alpha1.BlueGreenState{Serving: "green"}, "", "The Service web stays with green."},
		"it goes on":  {&v1alpha1.BlueGreenState{Serving: "blue", Switch: &v1alpha1.Switch{From: "blue", To: "green", Managed: true, Phase: v1alpha1.Waiting}}, "green", "The switch of the Service web to green goes on (Waiting)."},
		"after all":   {&v1alpha1.BlueGreenState{Serving: "blue", Switch: &v1alpha1.Switch{From: "blue", To: "green", Managed: true, Phase: v1alpha1.Reverting}}, "blue", "The Service web is to go to green after all."},
		"taken back":  {&v1alpha1.BlueGreenState{Serving: "blue", Switch: &v1alpha1.Switch{From: "green", To: "blue", Managed: true, Phase: v1alpha1.Soaking}}, "blue", "The switch of the Service web to blue (Soaking) is taken back: green is to serve."},
		"is all over": {&v1alpha1.BlueGreenState{Serving: "blue", Switch: &v1alpha1.Switch{From: "blue", To: "green", Managed: true, Phase: v1alpha1.Aborted}}, "blue", "The Service web is to go from blue to green."},
	} {
		t.Run(name, func(t *testing.T) {
			got := way(bluegreen(func(p *v1alpha1.AutoscalingPolicy) { p.Status.BlueGreen, p.Spec.BlueGreen.Active = tt.state, tt.active }), "green")
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// What was asked for and given up is asked for anew; what is on its way is not begun again.
func TestSwitchPatch(t *testing.T) {
	now := time.Date(2026, 3, 4, 5, 6, 7, 8, time.UTC)
	again := `{"metadata":{"annotations":{"loadline.dev/switch":"2026-03-04T05:06:07.000000008Z"}},"spec":{"blueGreen":{"active":"green"}}}`
	for name, tt := range map[string]struct {
		edit    func(*v1alpha1.AutoscalingPolicy)
		want    string
		request string
	}{
		"the first time": {func(*v1alpha1.AutoscalingPolicy) {}, `{"spec":{"blueGreen":{"active":"green"}}}`, "green"},
		"once more":      {func(p *v1alpha1.AutoscalingPolicy) { p.Spec.BlueGreen.Active = "green" }, again, "green 2026-03-04T05:06:07.000000008Z"},
		"it serves": {func(p *v1alpha1.AutoscalingPolicy) {
			p.Spec.BlueGreen.Active = "green"
			p.Status.BlueGreen = &v1alpha1.BlueGreenState{Serving: "green"}
		}, `{"spec":{"blueGreen":{"active":"green"}}}`, "green"},
	} {
		t.Run(name, func(t *testing.T) {
			p := bluegreen(tt.edit)
			patch, request, err := switchPatch(p, "green", now)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]string{tt.want, tt.request}, []string{string(patch), request}); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestSwitchOver(t *testing.T) {
	for name, tt := range map[string]struct {
		state *v1alpha1.BlueGreenState
		is    string // the reason of Switching
		done  bool
		err   error
	}{
		"not looked at yet":      {nil, "", false, nil},
		"on its way":             {&v1alpha1.BlueGreenState{Serving: "blue", Switch: &v1alpha1.Switch{To: "green", Phase: v1alpha1.Waiting}}, "Waiting", false, nil},
		"the HPA to follow":      {&v1alpha1.BlueGreenState{Serving: "green", Switch: &v1alpha1.Switch{To: "green", Phase: v1alpha1.Soaking}}, "Retargeting", false, nil},
		"there":                  {&v1alpha1.BlueGreenState{Serving: "green", Switch: &v1alpha1.Switch{To: "green", Phase: v1alpha1.Soaking}}, "Soaking", true, nil},
		"given up":               {&v1alpha1.BlueGreenState{Serving: "blue", Handled: "green", Switch: &v1alpha1.Switch{To: "green", Phase: v1alpha1.Aborted}}, "Aborted", true, errTold},
		"given up the last time": {&v1alpha1.BlueGreenState{Serving: "blue", Handled: "green 1", Switch: &v1alpha1.Switch{To: "green", Phase: v1alpha1.Aborted}}, "Aborted", false, nil},
	} {
		t.Run(name, func(t *testing.T) {
			done, err := switchOver(bluegreen(func(p *v1alpha1.AutoscalingPolicy) {
				p.Status.BlueGreen = tt.state
				p.Status.Conditions = []metav1.Condition{{Type: v1alpha1.Switching, Reason: tt.is}}
			}), "green", "green")
			if done != tt.done || err != tt.err {
				t.Errorf("%v, %v", done, err)
			}
		})
	}
}

// Who takes a switch back is told when that is done, and the exit code is 0.
func TestSwitchTakenBack(t *testing.T) {
	for phase, want := range map[v1alpha1.SwitchPhase]bool{
		v1alpha1.Prescale: false, v1alpha1.Retargeting: false, v1alpha1.Reverting: false, v1alpha1.Aborted: true,
	} {
		p := bluegreen(func(p *v1alpha1.AutoscalingPolicy) {
			p.Status.BlueGreen = &v1alpha1.BlueGreenState{Serving: "blue", Handled: "blue", Switch: &v1alpha1.Switch{From: "blue", To: "green", Managed: true, Phase: phase}}
			p.Status.Conditions = []metav1.Condition{{Type: v1alpha1.Switching, Reason: string(phase)}}
		})
		if done, err := switchOver(p, "blue", "blue"); done != want || err != nil {
			t.Errorf("%s: %v, %v", phase, done, err)
		}
	}
}

// Who asked for it first is told that somebody else took it back.
func TestSwitchTakenBackByOthers(t *testing.T) {
	for phase, want := range map[v1alpha1.SwitchPhase]string{
		v1alpha1.Prescale: "", v1alpha1.Reverting: "", v1alpha1.Aborted: "blue was asked for meanwhile",
	} {
		p := bluegreen(func(p *v1alpha1.AutoscalingPolicy) {
			p.Spec.BlueGreen.Active = "blue"
			p.Status.BlueGreen = &v1alpha1.BlueGreenState{Serving: "blue", Handled: "blue", Switch: &v1alpha1.Switch{From: "blue", To: "green", Managed: true, Phase: phase}}
			p.Status.Conditions = []metav1.Condition{{Type: v1alpha1.Switching, Reason: string(phase)}}
		})
		got := ""
		done, err := switchOver(p, "green", "green")
		if err != nil {
			got = err.Error()
		}
		if diff := cmp.Diff(want, got); diff != "" || done != (want != "") {
			t.Errorf("%s: done %t %s", phase, done, diff)
		}
	}
	p := bluegreen(func(p *v1alpha1.AutoscalingPolicy) { p.Spec.BlueGreen = nil })
	if done, err := switchOver(p, "green", "green"); !done || err == nil {
		t.Errorf("without spec.blueGreen: %t, %v", done, err)
	}
}
