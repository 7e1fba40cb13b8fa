package diagnose

import (
	"context"
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/duration"
	"k8s.io/apiserver/pkg/registry/rest"

	"github.com/loadline/loadline/provider/api/v1alpha1"
)

var _ rest.TableConvertor = Storage{}

// ConvertToTable implements rest.TableConvertor: what kubectl get shows.
func (Storage) ConvertToTable(_ context.Context, object, _ runtime.Object) (*metav1.Table, error) {
	t := &metav1.Table{ColumnDefinitions: []metav1.TableColumnDefinition{
		{Name: "Name", Type: "string", Format: "name", Description: "RESOURCE:METRIC, or external:METRIC"},
		{Name: "Rule", Type: "string", Description: "What gives it"},
		{Name: "Source", Type: "string", Description: "Which source is asked"},
		{Name: "Asked By", Type: "string", Description: "HPAs that reference it, or reads"},
		{Name: "Values", Type: "integer", Description: "How many values all reads of it get, without those that have a problem"},
		{Name: "Evaluated", Type: "string", Description: "How long ago, of the read for which that is longest"},
		{Name: "Problem", Type: "string", Description: "Why a read gets no value"},
	}}
	switch o := object.(type) {
	case *v1alpha1.Metric:
		t.Rows = []metav1.TableRow{row(o)}
	case *v1alpha1.MetricList:
		t.ListMeta = o.ListMeta
		for i := range o.Items {
			t.Rows = append(t.Rows, row(&o.Items[i]))
		}
	default:
		return nil, fmt.Errorf("there is no table of a %T", object)
	}
	return t, nil
}

func row(m *v1alpha1.Metric) metav1.TableRow {
	by, from := none, none
	if m.Rule != nil {
		by, from = m.Rule.ID, m.Rule.Source
		if m.Rule.Origin == v1alpha1.OriginPolicy {
			by = "policy " + m.Rule.Policy
		}
	}
	var hpas []string
	var values int64
	var oldest *metav1.Time
	problem := ""
	read, seen := false, map[string]bool{}
	for i := range m.Reads {
		r := &m.Reads[i]
		for _, name := range r.HorizontalPodAutoscalers {
			if !seen[name] {
				seen[name] = true
				hpas = append(hpas, name)
			}
		}
		read = read || len(r.HorizontalPodAutoscalers) == 0
		values += got(r)
		if r.Evaluated != nil && (oldest == nil || r.Evaluated.Before(oldest)) {
			oldest = r.Evaluated
		}
		if r.Problem != nil && problem == "" {
			problem = r.Problem.Reason
		}
	}
	if m.Problem != nil {
		problem = m.Problem.Reason
	}
	return metav1.TableRow{
		Cells:  []any{m.Name, by, from, askedBy(hpas, read), values, since(m.Time.Time, oldest), problem},
		Object: runtime.RawExtension{Object: m},
	}
}

// got is how many values a read gets. Those with a problem are none, and come first: where a
// value is shown, all that are left out are values. Where none is, it is not known of them,
// and they are not counted.
func got(r *v1alpha1.Read) (n int64) {
	for i := range r.Values {
		if r.Values[i].Problem == nil {
			n++
		}
	}
	if n > 0 {
		n += int64(r.OmittedValues)
	}
	return n
}

// none stands in a cell for what there is not.
const none = "<none>"

// askedBy names a few HPAs, and reads by others.
func askedBy(hpas []string, read bool) string {
	const most = 3
	if len(hpas) > most {
		hpas = append(hpas[:most:most], fmt.Sprintf("%d more", len(hpas)-most))
	}
	if read {
		hpas = append(hpas[:len(hpas):len(hpas)], "reads")
	}
	if len(hpas) == 0 {
		return none
	}
	return strings.Join(hpas, ", ")
}

func since(now time.Time, t *metav1.Time) string {
	if t == nil {
		return none
	}
	return duration.HumanDuration(now.Sub(t.Time))
}
