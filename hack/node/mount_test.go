package node

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
)

func TestTranslate(t *testing.T) {
	mounts := []mount{{"/etc/app/tls", "/h/tls"}, {"/etc/app", "/h/app"}, {"/data", "/h/data"}}
	for name, test := range map[string]struct{ in, want string }{
		"whole":            {"/etc/app", "/h/app"},
		"below":            {"/etc/app/x.yaml", "/h/app/x.yaml"},
		"in a flag":        {"--config=/etc/app/x.yaml", "--config=/h/app/x.yaml"},
		"in a list":        {"/data:/etc/app,/data", "/h/data:/h/app,/h/data"},
		"deeper one wins":  {"/etc/app/tls/tls.crt", "/h/tls/tls.crt"},
		"longer word":      {"/etc/apple /database", "/etc/apple /database"},
		"inside a path":    {"/var/data/x", "/var/data/x"},
		"in a URL":         {"http://host/data http://[::1]/data", "http://host/data http://[::1]/data"},
		"URL without host": {"https:///data", "https:///data"},
		"quoted":           {`{"dir":"/data"}`, `{"dir":"/h/data"}`},
		"dotted":           {"/data.old ./data", "/data.old ./data"},
		"nothing":          {"", ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got := translate(test.in, mounts); got != test.want {
				t.Errorf("translate(%q) = %q, want %q", test.in, got, test.want)
			}
		})
	}
}

func FuzzTranslate(f *testing.F) {
	f.Add("--a=/data/x:/data")
	f.Fuzz(func(t *testing.T, s string) {
		if got := translate(s, []mount{{"/data", "/data"}}); got != s {
			t.Errorf("a mount at its own place turned %q into %q", s, got)
		}
		if got := translate(s, []mount{{"/data", "/h"}}); !strings.Contains(s, "/data") && got != s {
			t.Errorf("%q became %q", s, got)
		}
	})
}

func TestMountsOf(t *testing.T) {
	dirs := map[string]string{"a": "/h/a", "b": "/h/b"}
	c := &corev1.Container{VolumeMounts: []corev1.VolumeMount{
		{Name: "a", MountPath: "/x/"}, {Name: "b", MountPath: "/x/y", SubPath: "sub"}}}
	got, err := mountsOf(c, dirs)
	if diff := cmp.Diff([]mount{{"/x/y", "/h/b/sub"}, {"/x", "/h/a"}}, got); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
	for want, vm := range map[string]corev1.VolumeMount{
		`volumeMounts[0]: there is no volume "c"`:                      {Name: "c", MountPath: "/x"},
		`volumeMounts[0].mountPath "x": want an absolute path below /`: {Name: "a", MountPath: "x"},
		`volumeMounts[0].mountPath "/": want an absolute path below /`: {Name: "a", MountPath: "/"},
		`volumeMounts[0].subPath "../../etc" leaves the volume`:        {Name: "a", MountPath: "/x", SubPath: "../../etc"},
	} {
		if _, err := mountsOf(&corev1.Container{VolumeMounts: []corev1.VolumeMount{vm}}, dirs); err == nil || err.Error() != want {
			t.Errorf("error %v, want %s", err, want)
		}
	}
}
