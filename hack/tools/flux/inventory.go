package main

import (
	"errors"
	"io/fs"
	"os"
	"strings"

	"github.com/fluxcd/cli-utils/pkg/object"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// readInventory reads what writeInventory wrote: nothing before the first sync. An
// object is a line, as in the status of a Kustomization: namespace_name_group_kind.
func readInventory(file string) (object.ObjMetadataSet, error) {
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var set object.ObjMetadataSet
	for line := range strings.Lines(string(data)) {
		id, err := object.ParseObjMetadata(strings.TrimSpace(line))
		if err != nil {
			return nil, err
		}
		set = append(set, id)
	}
	return set, nil
}

func writeInventory(file string, set object.ObjMetadataSet) error {
	var lines strings.Builder
	for _, id := range set {
		lines.WriteString(id.String() + "\n")
	}
	return os.WriteFile(file, []byte(lines.String()), 0o600)
}

// unversioned are objects of an inventory in the version that the cluster prefers.
func unversioned(set object.ObjMetadataSet, mapper meta.RESTMapper) []*unstructured.Unstructured {
	var objects []*unstructured.Unstructured
	for _, id := range set {
		o := &unstructured.Unstructured{}
		o.SetNamespace(id.Namespace)
		o.SetName(id.Name)
		o.SetGroupVersionKind(id.GroupKind.WithVersion(""))
		// What is of no known kind has gone with its definition.
		if mapping, err := mapper.RESTMapping(id.GroupKind); err == nil {
			o.SetGroupVersionKind(mapping.GroupVersionKind)
			objects = append(objects, o)
		}
	}
	return objects
}
