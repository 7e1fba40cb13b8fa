package suite

import (
	"bufio"
	"bytes"
	"strconv"
	"strings"
	"testing"
)

// What differs between the minors of Kubernetes that the tests run on is asked here: of
// the API server that there is, not of the one that was meant to be built.

// Minor is the minor of the cluster's Kubernetes: 34 of 1.34.4.
func (s *Suite) Minor(t *testing.T) int {
	t.Helper()
	version, err := s.Client.Discovery().ServerVersion()
	if err != nil {
		t.Fatal(err)
	}
	minor, err := strconv.Atoi(strings.TrimSuffix(version.Minor, "+"))
	if err != nil {
		t.Fatalf("the minor of %s: %v", version.GitVersion, err)
	}
	return minor
}

// Gate says whether a feature gate of the API server is on. One that it does not know is
// off; that is one of a newer minor, unless it has graduated long ago.
func (s *Suite) Gate(t *testing.T, name string) bool {
	t.Helper()
	text, err := s.Raw(t.Context(), "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	metric := []byte(`kubernetes_feature_enabled{name="` + name + `"`)
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		if line := lines.Bytes(); bytes.HasPrefix(line, metric) {
			return bytes.HasSuffix(line, []byte(" 1"))
		}
	}
	return false
}

// The gates of what an HPA can say, without which the API server refuses minReplicas 0, and
// drops a tolerance. The first is off by default before 1.37, the second before 1.35.
const (
	ScaleToZero = "HPAScaleToZero"
	Tolerance   = "HPAConfigurableTolerance"
)
