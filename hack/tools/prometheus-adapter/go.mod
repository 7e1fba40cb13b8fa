module github.com/loadline/loadline/hack/tools/prometheus-adapter

go 1.26.0

tool sigs.k8s.io/prometheus-adapter/cmd/adapter

require sigs.k8s.io/prometheus-adapter v0.12.0
