package adapter

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apiserver/pkg/audit"
	"k8s.io/apiserver/pkg/endpoints/handlers/negotiation"
	"k8s.io/apiserver/pkg/endpoints/handlers/responsewriters"
	"k8s.io/apiserver/pkg/endpoints/metrics"
	"k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/metrics/pkg/apis/custom_metrics"
	customv1beta1 "k8s.io/metrics/pkg/apis/custom_metrics/v1beta1"
	customv1beta2 "k8s.io/metrics/pkg/apis/custom_metrics/v1beta2"
	"k8s.io/metrics/pkg/apis/external_metrics"
	externalv1beta1 "k8s.io/metrics/pkg/apis/external_metrics/v1beta1"
	"k8s.io/utils/lru"
	freshness "sigs.k8s.io/custom-metrics-apiserver/pkg/apiserver/metrics"
	cmprovider "sigs.k8s.io/custom-metrics-apiserver/pkg/provider"
)

// plainReads answers the plain reads of metrics, those of HPA controllers, and hands everything
// else to the library's handlers, which would give the same bytes for what is answered here.
// They look up the route, decode the selectors by reflection into three kinds of options and
// convert each answer by its types, which costs more than the answer itself
// (docs/adr/0025-plain-reads-are-answered-directly.md).
type plainReads struct {
	next     http.Handler
	codecs   runtime.NegotiatedSerializer
	custom   cmprovider.CustomMetricsProvider   // nil: not served
	external cmprovider.ExternalMetricsProvider // nil: not served

	customAge, externalAge freshness.FreshnessObserver
	parsed                 *lru.Cache // selectors, by what they were parsed from
}

const (
	// maxParsed bounds how many selectors are remembered: each HPA brings one or two.
	maxParsed = 8192
	// maxSelector is the length in bytes, and maxTerms the number of keys and values, up to
	// which one is. That makes 10 MB at the very most, and a third of it as selectors are.
	maxSelector, maxTerms = 128, 16
)

func newPlainReads(next http.Handler, codecs runtime.NegotiatedSerializer, custom cmprovider.CustomMetricsProvider, external cmprovider.ExternalMetricsProvider) *plainReads {
	return &plainReads{
		next: next, codecs: codecs, custom: custom, external: external,
		customAge:   freshness.NewFreshnessObserver(custom_metrics.GroupName),
		externalAge: freshness.NewFreshnessObserver(external_metrics.GroupName),
		parsed:      lru.New(maxParsed),
	}
}

// plainRead is a plain read.
type plainRead struct {
	version          schema.GroupVersion
	info             *request.RequestInfo
	objects, series  labels.Selector // of the described objects; of the metric
	media            runtime.SerializerInfo
	scope, component string // by which the library counts it
}

func (h *plainReads) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p, ok := h.plain(r)
	if !ok {
		h.next.ServeHTTP(w, r)
		return
	}
	metrics.InstrumentHandlerFunc("LIST", p.version.Group, p.version.Version, "*", "*", p.scope, p.component, false, "", func(w http.ResponseWriter, r *http.Request) {
		h.answer(w, r, p)
	})(w, r)
}

// plain says whether a request is a plain read: GET of a path without anything left over, by
// no other parameters than the selectors, which are well formed, for an answer in a known
// encoding. Whatever is odd is the library's to answer or to refuse.
func (h *plainReads) plain(r *http.Request) (p plainRead, ok bool) {
	p.info, ok = request.RequestInfoFrom(r.Context())
	if !ok || r.Method != http.MethodGet || !p.info.IsResourceRequest || p.info.APIPrefix != "apis" {
		return p, false
	}
	p.version = schema.GroupVersion{Group: p.info.APIGroup, Version: p.info.APIVersion}
	switch p.version {
	case customv1beta1.SchemeGroupVersion, customv1beta2.SchemeGroupVersion:
		// Metrics of a Namespace object, namespaces/NAMESPACE/metrics/METRIC, have two parts.
		if h.custom == nil || p.info.Verb != "get" || len(p.info.Parts) != 3 || p.info.Name == "" || p.info.Subresource == "" {
			return p, false
		}
		if p.scope = "resource"; p.info.Namespace == "" {
			p.scope = "cluster"
		}
		p.component = "custom-metrics"
	case externalv1beta1.SchemeGroupVersion:
		if h.external == nil || p.info.Verb != "list" || len(p.info.Parts) != 1 || p.info.Namespace == "" {
			return p, false
		}
		p.scope, p.component = "cluster", "external-metrics"
	default:
		return p, false
	}
	if p.info.Resource == "" || p.info.Resource == "metrics" || !exact(r.URL.Path, p.info) || !accepts(r.Header) || !h.selectors(&p, r.URL) {
		return p, false
	}
	_, media, err := negotiation.NegotiateOutputMediaType(r, h.codecs, negotiation.DefaultEndpointRestrictions)
	p.media = media
	return p, err == nil && (media.MediaType == runtime.ContentTypeProtobuf || media.MediaType == runtime.ContentTypeJSON)
}

// exact says whether path has what info tells and nothing else: no slash twice, and none at its
// end, which info has forgotten.
func exact(path string, info *request.RequestInfo) bool {
	length := len("/apis/") + len(info.APIGroup) + len("/") + len(info.APIVersion)
	if info.Namespace != "" {
		length += len("/namespaces/") + len(info.Namespace)
	}
	for _, part := range info.Parts {
		length += len("/") + len(part)
	}
	return len(path) == length && strings.HasPrefix(path, "/apis/") && !strings.HasSuffix(path, "/")
}

// accepts says whether a client takes one of the encodings, by their plain names. By parameters
// it would ask for something that is made of the answer, such as a Table.
func accepts(header http.Header) bool {
	rest := header.Get("Accept")
	for more := rest != ""; more; {
		var one string
		one, rest, more = strings.Cut(rest, ",")
		switch strings.Trim(one, " ") {
		case "*/*", runtime.ContentTypeJSON, runtime.ContentTypeProtobuf:
		default:
			return false
		}
	}
	return true
}

// selectors sets the selectors of p by u, and says whether it has no other parameters. Of
// external metrics labelSelector is about the series, and there is no other.
func (h *plainReads) selectors(p *plainRead, u *url.URL) bool {
	custom := p.version.Group == custom_metrics.GroupName
	for rest := u.RawQuery; rest != ""; {
		var pair string
		pair, rest, _ = strings.Cut(rest, "&")
		key, value, _ := strings.Cut(pair, "=")
		into := &p.series
		switch {
		case key == "labelSelector" && custom:
			into = &p.objects
		case key == "labelSelector", key == "metricLabelSelector" && custom:
		default:
			return false
		}
		text, err := url.QueryUnescape(value)
		if err != nil || *into != nil || strings.Contains(value, ";") {
			return false
		}
		if *into, err = h.parse(text); err != nil {
			return false
		}
	}
	for _, s := range []*labels.Selector{&p.objects, &p.series} {
		if *s == nil {
			*s = labels.Everything()
		}
	}
	return true
}

// parse is labels.Parse. Selectors are never changed, so that one may serve many.
func (h *plainReads) parse(text string) (labels.Selector, error) {
	if known, ok := h.parsed.Get(text); ok {
		return known.(labels.Selector), nil
	}
	if len(text) > maxSelector {
		return labels.Parse(text)
	}
	text = strings.Clone(text) // or all of the query would be kept with it
	selector, err := labels.Parse(text)
	if err == nil && terms(selector) <= maxTerms {
		h.parsed.Add(text, selector)
	}
	return selector, err
}

// terms is the number of keys and values of a selector.
func terms(selector labels.Selector) int {
	requirements, _ := selector.Requirements()
	n := len(requirements)
	for _, r := range requirements {
		n += len(r.ValuesUnsorted())
	}
	return n
}

func (h *plainReads) answer(w http.ResponseWriter, r *http.Request, p plainRead) {
	list, err := h.list(request.WithNamespace(r.Context(), p.info.Namespace), p)
	if err != nil {
		responsewriters.ErrorNegotiated(err, h.codecs, p.version, w, r)
		return
	}
	audit.LogResponseObject(r.Context(), list, p.version, h.codecs)
	request.TrackSerializeResponseObjectLatency(r.Context(), func() {
		responsewriters.SerializeObject(p.media.MediaType, p.media.Serializer, w, r, http.StatusOK, list)
	})
	release(list)
}

// list asks the provider, and returns its answer in the version that was asked for. The
// conversions are the generated ones, which need no scope.
func (h *plainReads) list(ctx context.Context, p plainRead) (runtime.Object, error) {
	if p.version.Group == external_metrics.GroupName {
		list, err := h.external.GetExternalMetric(ctx, p.info.Namespace, p.series, cmprovider.ExternalMetricInfo{Metric: p.info.Resource})
		if err != nil {
			return nil, err
		}
		for i := range list.Items {
			h.externalAge.Observe(list.Items[i].Timestamp)
		}
		out := &externalv1beta1.ExternalMetricValueList{TypeMeta: p.typeMeta("ExternalMetricValueList")}
		return out, externalv1beta1.Convert_external_metrics_ExternalMetricValueList_To_v1beta1_ExternalMetricValueList(list, out, nil)
	}
	list, err := h.values(ctx, p)
	if err != nil {
		return nil, err
	}
	for i := range list.Items {
		h.customAge.Observe(list.Items[i].Timestamp)
	}
	if p.version == customv1beta1.SchemeGroupVersion {
		out := &customv1beta1.MetricValueList{TypeMeta: p.typeMeta("MetricValueList")}
		return out, customv1beta1.Convert_custom_metrics_MetricValueList_To_v1beta1_MetricValueList(list, out, nil)
	}
	out := lists.Get().(*customv1beta2.MetricValueList)
	out.TypeMeta, out.ListMeta = p.typeMeta("MetricValueList"), list.ListMeta
	// No items are an empty list here, and not null; providers have no other.
	out.Items = slices.Grow(out.Items[:0], len(list.Items))[:len(list.Items)]
	for i := range list.Items {
		if err := customv1beta2.Convert_custom_metrics_MetricValue_To_v1beta2_MetricValue(&list.Items[i], &out.Items[i], nil); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// lists are answers of v1beta2, the version of today's controllers, that are free to be used
// again, with the room for their items.
var lists = sync.Pool{New: func() any { return &customv1beta2.MetricValueList{Items: []customv1beta2.MetricValue{}} }}

// maxKept is the number of items up to which a list is used again: a rare long one is not kept.
const maxKept = 200

// release lets go of an answer that has been written.
func release(list runtime.Object) {
	l, ok := list.(*customv1beta2.MetricValueList)
	if !ok || len(l.Items) > maxKept {
		return
	}
	clear(l.Items)
	lists.Put(l)
}

// values are those of one object, or of all that the selector matches.
func (h *plainReads) values(ctx context.Context, p plainRead) (*custom_metrics.MetricValueList, error) {
	metric := cmprovider.CustomMetricInfo{GroupResource: schema.ParseGroupResource(p.info.Resource), Metric: p.info.Subresource, Namespaced: p.info.Namespace != ""}
	if p.info.Name == customv1beta2.AllObjects {
		return h.custom.GetMetricBySelector(ctx, p.info.Namespace, p.objects, metric, p.series)
	}
	value, err := h.custom.GetMetricByName(ctx, types.NamespacedName{Namespace: p.info.Namespace, Name: p.info.Name}, metric, p.series)
	if err != nil {
		return nil, err
	}
	return &custom_metrics.MetricValueList{Items: []custom_metrics.MetricValue{*value}}, nil
}

func (p *plainRead) typeMeta(kind string) metav1.TypeMeta {
	return metav1.TypeMeta{Kind: kind, APIVersion: p.version.String()}
}
