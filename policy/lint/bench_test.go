package lint

import (
	"fmt"
	"io"
	"strings"
	"syscall"
	"testing"
	"time"
)

// manifests are n objects in one namespace, of which a quarter each are Deployments, HPAs,
// Services and budgets, every tenth application with a mistake.
func manifests(n int) string {
	var b strings.Builder
	for i := range n / 4 {
		replicas := ""
		if i%10 == 0 {
			replicas = "\n  replicas: 3"
		}
		fmt.Fprintf(&b, `---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: app-%[1]d
  labels: {app.kubernetes.io/name: app-%[1]d, team: team-%[3]d}
spec:%[2]s
  selector:
    matchLabels: {app.kubernetes.io/name: app-%[1]d, team: team-%[3]d}
  template:
    metadata:
      labels: {app.kubernetes.io/name: app-%[1]d, team: team-%[3]d, version: v%[3]d}
    spec:
      containers:
      - name: app
        image: registry.example/app-%[1]d:v1
        ports: [{name: http, containerPort: 8080}]
        env: [{name: A, value: "1"}, {name: B, value: "2"}]
        resources: {requests: {cpu: 100m, memory: 128Mi}}
        readinessProbe: {httpGet: {path: /ready, port: http}}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: app-%[1]d}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: app-%[1]d}
  minReplicas: 2
  maxReplicas: 20
  metrics:
  - {type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 70}}}
  - {type: External, external: {metric: {name: queue_depth, selector: {matchLabels: {queue: q%[3]d}}}, target: {type: AverageValue, averageValue: "10"}}}
  behavior: {scaleDown: {stabilizationWindowSeconds: 300}}
---
apiVersion: v1
kind: Service
metadata: {name: app-%[1]d}
spec:
  selector: {app.kubernetes.io/name: app-%[1]d, team: team-%[3]d}
  ports: [{name: http, port: 80, targetPort: http}]
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: app-%[1]d}
spec:
  maxUnavailable: 1
  selector: {matchLabels: {app.kubernetes.io/name: app-%[1]d, team: team-%[3]d}}
`, i, replicas, i%7)
	}
	return b.String()
}

// BenchmarkLint is lint of 10,000 objects, from text to text. cpu-s/op is what it
// computes, whatever else the machine does.
func BenchmarkLint(b *testing.B) {
	const objects = 10_000
	text, o := manifests(objects), options(b)
	var before, after syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &before); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		r, err := Lint(Read([]string{"-"}, strings.NewReader(text)), nil, nil, o)
		if err != nil || r.Summary.Objects != objects || r.Summary.High != objects/4/10 {
			b.Fatalf("%v %+v", err, r.Summary)
		}
		r.Text(io.Discard)
	}
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &after); err != nil {
		b.Fatal(err)
	}
	used := time.Duration(after.Utime.Nano() + after.Stime.Nano() - before.Utime.Nano() - before.Stime.Nano())
	b.ReportMetric(used.Seconds()/float64(b.N), "cpu-s/op")
}
