package cluster

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

var testLayout = layout{
	dir: "/state", bind: "127.0.0.1",
	ports: ports{api: 1, etcdClient: 2, etcdPeer: 3, controllerManager: 4, scheduler: 5, kwok: 6},
}

func TestControllerManagerTakesDurations(t *testing.T) {
	for name, tc := range map[string]struct {
		sync, down time.Duration
		want       []string
	}{
		"Kubernetes' defaults": {0, 0, nil},
		"shortened": {2 * time.Second, 10 * time.Second, []string{
			"--horizontal-pod-autoscaler-sync-period=2s",
			"--horizontal-pod-autoscaler-downscale-stabilization=10s",
		}},
		"one of them": {0, time.Minute, []string{"--horizontal-pod-autoscaler-downscale-stabilization=1m0s"}},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, arg := range controllerManagerArgs(testLayout, tc.sync, tc.down) {
				if strings.HasPrefix(arg, "--horizontal") {
					got = append(got, arg)
				}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAuditLogIsOptional(t *testing.T) {
	audited := testLayout
	audited.audit = true
	with, without := apiServerArgs(audited), apiServerArgs(testLayout)
	if diff := cmp.Diff([]string{"--audit-policy-file=/state/audit-policy.yaml", "--audit-log-path=/state/logs/audit.log"},
		with[len(without):]); diff != "" {
		t.Error(diff)
	}
	if err := yaml.UnmarshalStrict([]byte(auditPolicy), &map[string]any{}); err != nil {
		t.Error(err)
	}
}

// TestFilesThatServersReadAreWritten holds the flags against what is on disk:
// every path of a key, certificate or kubeconfig must exist.
func TestFilesThatServersReadAreWritten(t *testing.T) {
	c := &Cluster{layout: testLayout}
	c.dir, c.audit, c.node = t.TempDir(), true, "10.199.0.1"
	alone := c.layout
	alone.node = ""
	if err := c.writeFiles(); err != nil {
		t.Fatal(err)
	}
	for server, args := range map[string][]string{
		etcd:              etcdArgs(c.layout),
		apiServer:         apiServerArgs(alone),
		"with kubelets":   apiServerArgs(c.layout),
		controllerManager: controllerManagerArgs(c.layout, 0, 0),
		scheduler:         schedulerArgs(c.layout),
		kwok:              kwokArgs(c.layout, nil),
	} {
		t.Run(server, func(t *testing.T) {
			files := 0
			for _, arg := range args {
				flag, path, _ := strings.Cut(arg, "=")
				if !filepath.IsAbs(path) || slices.Contains([]string{"--data-dir", "--audit-log-path"}, flag) {
					continue
				}
				files++
				if _, err := os.Stat(path); err != nil {
					t.Errorf("%s: %v", arg, err)
				}
			}
			if files == 0 {
				t.Error("no flag names a file: the test checks nothing")
			}
		})
	}
	if c.RESTConfig().Host != "https://127.0.0.1:1" {
		t.Errorf("administrator's host is %q", c.RESTConfig().Host)
	}
}

func TestKwokLeavesOtherNodesAlone(t *testing.T) {
	want := []string{
		"--kubeconfig=/state/kwok.kubeconfig",
		"--manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=fake",
		"--cidr=10.244.128.0/17",
		"--node-lease-duration-seconds=40",
		"--server-address=127.0.0.1:6",
		"--config=a.yaml",
		"--config=b.yaml",
	}
	if diff := cmp.Diff(want, kwokArgs(testLayout, []string{"a.yaml", "b.yaml"})); diff != "" {
		t.Error(diff)
	}
}

func TestStateDir(t *testing.T) {
	full := t.TempDir()
	if err := os.WriteFile(filepath.Join(full, "precious"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	absent := filepath.Join(t.TempDir(), "a", "b")
	for name, tc := range map[string]struct {
		wanted, want string
		err          string
	}{
		"absent":    {absent, absent, ""},
		"not empty": {full, full, "is not empty"},
	} {
		t.Run(name, func(t *testing.T) {
			dir, temporary, err := stateDir(tc.wanted, "x", false)
			if dir != tc.want || temporary != nil || (err == nil) != (tc.err == "") {
				t.Errorf("got %q, %v, %v", dir, temporary, err)
			}
			if err != nil && !strings.Contains(err.Error(), tc.err) {
				t.Errorf("error %v lacks %q", err, tc.err)
			}
		})
	}
	for name, keep := range map[string]bool{"unset": false, "unset, and kept": true} {
		t.Run(name, func(t *testing.T) {
			parent := t.TempDir()
			t.Setenv("TMPDIR", parent)
			dir, temporary, err := stateDir("", "x", keep)
			if err != nil || filepath.Dir(dir) != parent || (temporary == nil) != keep {
				t.Fatalf("got %q, %v, %v", dir, temporary, err)
			}
			if keep {
				return
			}
			if err := temporary.Remove(); err != nil {
				t.Error(err)
			}
			if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s is left: %v", dir, err)
			}
		})
	}
}

func TestFreePortsAreDifferentAndOutOfTheWay(t *testing.T) {
	// Also when nothing listens on the first ones yet: of so many, one would come twice.
	var got []int
	for range 10 {
		more, err := freePorts(40)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, more...)
	}
	slices.Sort(got)
	if n := len(slices.Compact(slices.Clone(got))); n != 400 || got[0] < firstPort || got[399] >= lastPort {
		t.Errorf("%d different ports from %d to %d", n, got[0], got[399])
	}
}
