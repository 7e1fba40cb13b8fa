package migrate_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/loadline/loadline/policy/convert"
	"github.com/loadline/loadline/policy/hpa"
	"github.com/loadline/loadline/policy/migrate"
)

// What becomes of an HPA, and what does not.
func TestHPA(t *testing.T) {
	const (
		cpu      = "metrics: [{type: Resource, resource: {name: cpu, target: {type: AverageValue, averageValue: 500m}}}]"
		behavior = "behavior: {scaleUp: {stabilizationWindowSeconds: 0, selectPolicy: Max, policies: [{type: Pods, value: 4, periodSeconds: 15}]}, scaleDown: {stabilizationWindowSeconds: 300, selectPolicy: Max, policies: [{type: Percent, value: 50, periodSeconds: 15}]}}"
	)
	written := func(metadata, spec string) string {
		return "{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {name: web" + metadata + "}, spec: {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}, maxReplicas: 6, " + spec + "}}"
	}
	for name, tc := range map[string]struct {
		hpa        string
		kubernetes string
		// policy: there is one.
		policy, equal bool
		differs       []string
		lost          []string
		remarks       []string
	}{
		"whole": {hpa: written("", "minReplicas: 2, "+cpu+", "+behavior), policy: true, equal: true},
		"without a behavior": {
			hpa: written("", "minReplicas: 2, "+cpu), policy: true, differs: []string{"spec.behavior"}, remarks: []string{"spec.behavior"},
		},
		"half of a behavior": {
			hpa: written("", "minReplicas: 2, "+cpu+", behavior: {scaleDown: {policies: [{type: Pods, value: 1, periodSeconds: 60}]}}"), policy: true,
			differs: []string{"spec.behavior.scaleDown.stabilizationWindowSeconds: <none> -> 300"},
		},
		"without metrics, and with metadata": {
			hpa:    written(", namespace: shop, labels: {team: a, app.kubernetes.io/managed-by: Helm}, annotations: {note: b, autoscaling.alpha.kubernetes.io/conditions: '[]', kubectl.kubernetes.io/last-applied-configuration: '{}'}", "minReplicas: 1, "+behavior),
			policy: true, equal: true, remarks: []string{"spec.metrics", "spec.objectives[0].cpu.utilization"}, lost: []string{"metadata.labels[app.kubernetes.io/managed-by]", "metadata.labels[team]", "metadata.annotations[note]"},
		},
		"a resource that no policy knows": {
			hpa:  written("", "metrics: [{type: Resource, resource: {name: ephemeral-storage, target: {type: AverageValue, averageValue: 1Gi}}}], "+behavior),
			lost: []string{"spec.metrics[0].resource.name"},
		},
		"what an old cluster drops": {
			hpa: written("", "minReplicas: 2, "+cpu+", "+strings.Replace(behavior, "scaleDown: {", "scaleDown: {tolerance: 50m, ", 1)), kubernetes: "1.32", policy: true,
			differs: []string{"spec.behavior.scaleDown.tolerance: 50m -> <none>"}, remarks: []string{"spec.behavior.scaleDown.tolerance"},
		},
		"what an old cluster refuses": {
			hpa: written("", "minReplicas: 0, metrics: [{type: External, external: {metric: {name: depth}, target: {type: AverageValue, averageValue: 5}}}], "+behavior), kubernetes: "1.32",
			lost: []string{"spec.replicas.min"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			original, problems := convert.Read([]byte(tc.hpa))
			if original == nil {
				t.Fatal(problems)
			}
			before := original.DeepCopy()
			policy, problems := convert.FromV2(original)
			kubernetes := tc.kubernetes
			if kubernetes == "" {
				kubernetes = "1.37"
			}
			capabilities, err := hpa.Assume(kubernetes)
			if err != nil {
				t.Fatal(err)
			}
			h := migrate.NewHPA(original, policy, problems, capabilities)
			if (h.Policy != nil) != tc.policy || h.Equal != tc.equal {
				t.Errorf("policy %v, equal %v", h.Policy != nil, h.Equal)
			}
			var differs []string
			for _, d := range h.Differs {
				differs = append(differs, d.String())
			}
			fields := func(all []migrate.Loss) (names []string) {
				for _, l := range all {
					names = append(names, l.Field)
				}
				return names
			}
			if diff := cmp.Diff([][]string{tc.differs, tc.lost, tc.remarks}, [][]string{differs, fields(h.NotCarried), fields(h.Remarks)}); diff != "" {
				t.Errorf("%s\n%+v", diff, h)
			}
			for _, d := range tc.differs {
				if !slices.Contains(h.Comments(), "  "+d) {
					t.Errorf("%q lacks %q", h.Comments(), d)
				}
			}
			if diff := cmp.Diff(before, original); diff != "" {
				t.Errorf("the HPA was changed: %s", diff)
			}
		})
	}
}
