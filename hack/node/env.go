package node

import (
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"
)

// objects reads the objects a pod refers to in its namespace. An object that
// does not exist is nil without an error.
type objects interface {
	configMap(name string) (*corev1.ConfigMap, error)
	secret(name string) (*corev1.Secret, error)
}

// containerEnv returns the environment the pod's manifest gives a container:
// services first, over them envFrom, over them env, whose values may use
// $(NAME) of what came before. Every value that cannot be had is an error that
// names its place.
func containerEnv(pod *corev1.Pod, c *corev1.Container, at placement, services map[string]string, objs objects) (map[string]string, error) {
	env := maps.Clone(services)
	if env == nil {
		env = map[string]string{}
	}
	for i, from := range c.EnvFrom {
		data, err := envFrom(from, objs)
		if err != nil {
			return nil, fmt.Errorf("envFrom[%d]: %w", i, err)
		}
		for _, key := range slices.Sorted(maps.Keys(data)) {
			if name := from.Prefix + key; len(validation.IsRelaxedEnvVarName(name)) == 0 {
				env[name] = data[key]
			}
		}
	}
	for i, e := range c.Env {
		value, ok, err := envValue(pod, c, at, e, env, objs)
		if err != nil {
			return nil, fmt.Errorf("env[%d] %s: %w", i, e.Name, err)
		}
		if ok {
			env[e.Name] = value
		}
	}
	return env, nil
}

func envFrom(from corev1.EnvFromSource, objs objects) (map[string]string, error) {
	data := map[string]string{}
	switch {
	case from.ConfigMapRef != nil:
		cm, err := objs.configMap(from.ConfigMapRef.Name)
		if err != nil {
			return nil, err
		}
		if cm == nil {
			return nil, missing("configmap", from.ConfigMapRef.Name, from.ConfigMapRef.Optional)
		}
		maps.Copy(data, cm.Data)
	case from.SecretRef != nil:
		secret, err := objs.secret(from.SecretRef.Name)
		if err != nil {
			return nil, err
		}
		if secret == nil {
			return nil, missing("secret", from.SecretRef.Name, from.SecretRef.Optional)
		}
		for key, value := range secret.Data {
			data[key] = string(value)
		}
	}
	return data, nil
}

// envValue returns ok false for an optional reference to nothing: the variable
// is then not set at all.
func envValue(pod *corev1.Pod, c *corev1.Container, at placement, e corev1.EnvVar, env map[string]string, objs objects) (string, bool, error) {
	from := e.ValueFrom
	switch {
	case from == nil:
		return expand(e.Value, lookupIn(env)), true, nil
	case from.FieldRef != nil:
		value, err := fieldValue(pod, at, from.FieldRef.FieldPath)
		return value, true, err
	case from.ResourceFieldRef != nil:
		value, err := resourceValue(c, from.ResourceFieldRef)
		return value, true, err
	case from.ConfigMapKeyRef != nil:
		ref := from.ConfigMapKeyRef
		cm, err := objs.configMap(ref.Name)
		if err != nil {
			return "", false, err
		}
		if cm == nil {
			return "", false, missing("configmap", ref.Name, ref.Optional)
		}
		value, ok := cm.Data[ref.Key]
		return keyed(value, ok, "configmap", ref.Name, ref.Key, ref.Optional)
	case from.SecretKeyRef != nil:
		ref := from.SecretKeyRef
		secret, err := objs.secret(ref.Name)
		if err != nil {
			return "", false, err
		}
		if secret == nil {
			return "", false, missing("secret", ref.Name, ref.Optional)
		}
		value, ok := secret.Data[ref.Key]
		return keyed(string(value), ok, "secret", ref.Name, ref.Key, ref.Optional)
	}
	return "", false, fmt.Errorf("this kind of valueFrom is not supported by a process node")
}

func missing(kind, name string, optional *bool) error {
	if optional != nil && *optional {
		return nil
	}
	return fmt.Errorf("%s %q not found", kind, name)
}

func keyed(value string, ok bool, kind, name, key string, optional *bool) (string, bool, error) {
	if !ok && (optional == nil || !*optional) {
		return "", false, fmt.Errorf("%s %q has no key %q", kind, name, key)
	}
	return value, ok, nil
}
