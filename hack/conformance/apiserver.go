package conformance

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// token is that of the one who reads.
const token = "conformance"

// newAPIServer is as much of a Kubernetes API server as the adapter asks: which kinds
// there are, the metadata of their objects, who a token is, and what he may do, which is
// everything. What is hidden the adapter may not list.
//
// The real one takes seconds to start and holds one state for all; here each case has its
// own. That the adapter works with the real one is what hack/e2e shows.
func newAPIServer(objects []object, hidden []string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /apis/authentication.k8s.io/v1/tokenreviews", func(w http.ResponseWriter, r *http.Request) {
		var review authenticationv1.TokenReview
		if decodeJSON(w, r, &review) {
			review.Status.Authenticated = review.Spec.Token == token
			review.Status.User.Username = "reader"
			writeJSON(w, http.StatusCreated, review)
		}
	})
	mux.HandleFunc("POST /apis/authorization.k8s.io/v1/subjectaccessreviews", func(w http.ResponseWriter, r *http.Request) {
		var review authorizationv1.SubjectAccessReview
		if decodeJSON(w, r, &review) {
			review.Status.Allowed = true
			writeJSON(w, http.StatusCreated, review)
		}
	})
	discovery(mux)
	for _, k := range kinds() {
		mux.HandleFunc("GET "+k.groupPath()+"/"+k.Resource, func(w http.ResponseWriter, r *http.Request) {
			if slices.Contains(hidden, k.GroupResource().String()) {
				refusal := apierrors.NewForbidden(k.GroupResource(), "", errors.New("no rule allows it")).Status()
				writeJSON(w, http.StatusForbidden, refusal)
				return
			}
			serveObjects(w, r, live(objects, k, r.FormValue("fieldSelector")))
		})
	}
	return mux
}

// discovery serves which kinds there are, in the form that every version of Kubernetes has.
func discovery(mux *http.ServeMux) {
	lists := map[string]*metav1.APIResourceList{}
	groups := metav1.APIGroupList{TypeMeta: metav1.TypeMeta{Kind: "APIGroupList", APIVersion: "v1"}}
	for _, k := range kinds() {
		gv := k.GroupVersion()
		list := lists[k.groupPath()]
		if list == nil {
			list = &metav1.APIResourceList{TypeMeta: metav1.TypeMeta{Kind: "APIResourceList", APIVersion: "v1"}, GroupVersion: gv.String()}
			lists[k.groupPath()] = list
			if gv.Group != "" {
				groups.Groups = append(groups.Groups, apiGroup(gv))
			}
		}
		list.APIResources = append(list.APIResources, metav1.APIResource{
			Name: k.Resource, SingularName: k.singular(), Kind: k.name, Namespaced: k.namespaced, Verbs: metav1.Verbs{"list", "watch"},
		})
	}
	serve := func(path string, v any) {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, http.StatusOK, v) })
	}
	serve("/api", metav1.APIVersions{TypeMeta: metav1.TypeMeta{Kind: "APIVersions", APIVersion: "v1"}, Versions: []string{"v1"}})
	serve("/apis", groups)
	for path, list := range lists {
		serve(path, list)
	}
}

func apiGroup(gv schema.GroupVersion) metav1.APIGroup {
	version := metav1.GroupVersionForDiscovery{GroupVersion: gv.String(), Version: gv.Version}
	return metav1.APIGroup{Name: gv.Group, Versions: []metav1.GroupVersionForDiscovery{version}, PreferredVersion: version}
}

// live are the objects of a kind that a field selector of the adapter's lets pass: the one
// that it uses is for pods, and for their phase.
func live(objects []object, k kind, fieldSelector string) (found []metav1.PartialObjectMetadata) {
	for _, o := range objects {
		if o.GroupVersionResource != k.GroupVersionResource || fieldSelector != "" && fieldSelector != "status.phase="+o.phase {
			continue
		}
		found = append(found, partial(o.meta))
	}
	return found
}

func partial(m metav1.ObjectMeta) metav1.PartialObjectMetadata {
	return metav1.PartialObjectMetadata{TypeMeta: metav1.TypeMeta{Kind: "PartialObjectMetadata", APIVersion: "meta.k8s.io/v1"}, ObjectMeta: m}
}

// serveObjects answers a list, or a watch in which nothing changes. A watch may ask to
// begin with all that there is, and then a bookmark says where that ends.
func serveObjects(w http.ResponseWriter, r *http.Request, objects []metav1.PartialObjectMetadata) {
	if watch := r.FormValue("watch"); watch != "true" && watch != "1" {
		writeJSON(w, http.StatusOK, metav1.PartialObjectMetadataList{
			TypeMeta: metav1.TypeMeta{Kind: "PartialObjectMetadataList", APIVersion: "meta.k8s.io/v1"},
			ListMeta: metav1.ListMeta{ResourceVersion: "1"}, Items: objects,
		})
		return
	}
	w.Header().Set("Content-Type", "application/json")
	events := json.NewEncoder(w)
	send := func(kind string, o metav1.PartialObjectMetadata) {
		_ = events.Encode(map[string]any{"type": kind, "object": o}) // whoever is gone does not mind
	}
	if r.FormValue("sendInitialEvents") == "true" {
		for _, o := range objects {
			send("ADDED", o)
		}
		send("BOOKMARK", partial(metav1.ObjectMeta{ResourceVersion: "1", Annotations: map[string]string{metav1.InitialEventsAnnotationKey: "true"}}))
	}
	_ = http.NewResponseController(w).Flush()
	<-r.Context().Done()
}

func decodeJSON(w http.ResponseWriter, r *http.Request, into any) bool {
	if err := json.NewDecoder(r.Body).Decode(into); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return false
	}
	return true
}

func writeJSON(w http.ResponseWriter, code int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(v)
}
