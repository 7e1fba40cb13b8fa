// Package admission reads its cases: writes, and what the policies of deploy/admission
// say about each. The unit tests ask the API server's own plugin about them, the
// end-to-end tests a whole API server.
package admission

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// Case is one write and what is said about it.
type Case struct {
	Name    string                      `json:"name"`
	Given   []unstructured.Unstructured `json:"given"`   // what the namespace holds, HPAs with the status they are to have
	Object  unstructured.Unstructured   `json:"object"`  // what is created …
	Change  json.RawMessage             `json:"change"`  // … or is there and is changed by this merge patch
	Through string                      `json:"through"` // the version that the client writes in, if not the object's
	Offline string                      `json:"offline"` // why no API server can be asked
	Rights  []string                    `json:"rights"`  // what whoever writes may do besides
	Want    []string                    `json:"want"`    // the messages, of warnings and of a refusal
}

// Load reads the cases of all files of a directory. A field that no case has is an error.
func Load(dir string) ([]Case, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil {
		return nil, err
	}
	var cases []Case
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		var some []Case
		if err := yaml.UnmarshalStrict(data, &some); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		for i := range some {
			c := &some[i]
			c.Name = strings.TrimSuffix(filepath.Base(file), ".yaml") + ": " + c.Name
			for j := range c.Given {
				Fill(&c.Given[j])
			}
			Fill(&c.Object)
		}
		cases = append(cases, some...)
	}
	if len(cases) == 0 {
		return nil, fmt.Errorf("no cases in %s", dir)
	}
	return cases, nil
}

// Fill adds what no case is about. An HPA gets a metric that no mode is about, in place of
// the CPU utilization that the API server fills in; a workload the labels that its pods
// are told by, a container, the number of replicas that the API server fills in, and a
// StatefulSet whom its pods are known through.
func Fill(u *unstructured.Unstructured) {
	labels := map[string]any{"app": u.GetName()}
	selector := map[string]any{"matchLabels": labels}
	switch u.GetKind() {
	case "HorizontalPodAutoscaler":
		add(u, []any{map[string]any{"type": "Resource", "resource": map[string]any{
			"name": "memory", "target": map[string]any{"type": "AverageValue", "averageValue": "1Gi"},
		}}}, "spec", "metrics")
		return
	case "AutoscalingPolicy":
		add(u, map[string]any{"apiVersion": "apps/v1", "kind": "Deployment", "name": "blue"}, "spec", "targetRef")
		add(u, map[string]any{"min": int64(2), "max": int64(10)}, "spec", "replicas")
		add(u, []any{map[string]any{"cpu": map[string]any{"utilization": int64(70)}}}, "spec", "objectives")
		return
	case "Deployment", "ReplicaSet":
	case "StatefulSet":
		add(u, u.GetName(), "spec", "serviceName")
	case "ReplicationController":
		selector = labels
	default:
		return
	}
	add(u, selector, "spec", "selector")
	add(u, labels, "spec", "template", "metadata", "labels")
	add(u, int64(1), "spec", "replicas")
	add(u, []any{map[string]any{"name": "app"}}, "spec", "template", "spec", "containers")
	containers, _, _ := unstructured.NestedSlice(u.Object, "spec", "template", "spec", "containers")
	for _, c := range containers {
		if c, is := c.(map[string]any); is && c["image"] == nil {
			c["image"] = "example.com/app:v1"
		}
	}
	set(u, containers, "spec", "template", "spec", "containers")
}

// add sets a field that is not there.
func add(u *unstructured.Unstructured, value any, path ...string) {
	if _, found, _ := unstructured.NestedFieldNoCopy(u.Object, path...); !found {
		set(u, value, path...)
	}
}

// set panics where the case has something else than an object on the way to the field.
func set(u *unstructured.Unstructured, value any, path ...string) {
	if err := unstructured.SetNestedField(u.Object, value, path...); err != nil {
		panic(fmt.Sprintf("%s %s: %v", u.GetKind(), u.GetName(), err))
	}
}

// Changed returns the object of an update as it is to be after it.
func (c *Case) Changed() (*unstructured.Unstructured, error) {
	before, err := c.Object.MarshalJSON()
	if err != nil {
		return nil, err
	}
	after, err := jsonpatch.MergePatch(before, c.Change)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.Name, err)
	}
	out := &unstructured.Unstructured{}
	return out, out.UnmarshalJSON(after)
}

var spoken = regexp.MustCompile(`ValidatingAdmissionPolicy '(.*?)' with binding '(.*?)'(?: denied request)?: ((\d\d [a-z0-9-]+): .*)$`)

// Message returns a policy's message without what the API server puts before it, and
// fails if it is not of the mode that policy and binding are named after.
func Message(text string) (string, error) {
	parts := spoken.FindStringSubmatch(text)
	if parts == nil {
		return "", errors.New("not a message of a policy of ours: " + text)
	}
	mode := Mode(parts[4])
	if Mode(parts[1]) != mode || parts[2] != parts[1] {
		return "", fmt.Errorf("policy %s with binding %s says a message of %s", parts[1], parts[2], mode)
	}
	return parts[3], nil
}

// RightsPolicy is the policy that asks what whoever writes may do himself.
const RightsPolicy = "loadline-policy-rights"

// Refusal returns the message of RightsPolicy without what the API server puts before it.
func Refusal(text string) (string, error) {
	_, message, found := strings.Cut(text, "ValidatingAdmissionPolicy '"+RightsPolicy+"' with binding '"+RightsPolicy+"' denied request: ")
	if !found {
		return "", errors.New("not a refusal of " + RightsPolicy + ": " + text)
	}
	return message, nil
}

// Mode is the name of the policy of a mode, from what a message begins with or from the
// name of one of its policies, of which some look at another kind of object.
func Mode(text string) string {
	id, _, _ := strings.Cut(text, ":")
	return "loadline-" + strings.ReplaceAll(mirror.ReplaceAllString(strings.TrimPrefix(id, "loadline-"), ""), " ", "-")
}

var mirror = regexp.MustCompile("-of-(deployment|statefulset|replicationcontroller)$")
