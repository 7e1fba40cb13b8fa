package crd

import (
	"bytes"
	"context"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/util/json"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"sigs.k8s.io/yaml"

	"github.com/loadline/loadline/policy/cli"
)

// errorOf is an error of render: FILE:LINE: error: POLICY: FIELD: MESSAGE.
var errorOf = regexp.MustCompile(`(?m)^<stdin>:\d+: error: [^ ]+: (.*)$`)

// Every mistake of the table is refused with these words by the schema and its rules, as
// the API server of an end-to-end test says, too, and by render without a cluster.
func TestBadInput(t *testing.T) {
	all, err := BadInput()
	if err != nil {
		t.Fatal(err)
	}
	s := newServer(t)
	for _, b := range all {
		t.Run(b.Name, func(t *testing.T) {
			text, err := yaml.Marshal(b.Object(""))
			if err != nil {
				t.Fatal(err)
			}
			asJSON, err := yaml.YAMLToJSON(text)
			if err != nil {
				t.Fatal(err)
			}
			var object map[string]any
			if err := json.Unmarshal(asJSON, &object); err != nil {
				t.Fatal(err)
			}
			var server []string
			for _, e := range s.create(object) {
				server = append(server, e.Error())
			}
			if diff := cmp.Diff(b.Server, server); diff != "" {
				t.Errorf("server (-want +got):\n%s", diff)
			}
			var out, said bytes.Buffer
			code := cli.Run(context.Background(), []string{"render", "-f", "-"}, genericiooptions.IOStreams{In: bytes.NewReader(text), Out: &out, ErrOut: &said})
			var render []string
			for _, m := range errorOf.FindAllStringSubmatch(said.String(), -1) {
				render = append(render, strings.TrimSpace(m[1]))
			}
			if diff := cmp.Diff(b.Render, render); diff != "" {
				t.Errorf("render (-want +got):\n%s", diff)
			}
			if refused := len(b.Render) > 0; (code == 1) != refused || (out.Len() == 0) != refused {
				t.Errorf("exit code %d, %d bytes printed\n%s", code, out.Len(), &said)
			}
			if len(b.Server) > 0 && len(b.Render) == 0 {
				t.Error("render takes what the API server refuses")
			}
		})
	}
}
