package node

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// volumes are the directories of one pod.
type volumes struct {
	client kubernetes.Interface
	root   string // the pod's own directory
	claims string // where claims of all pods live
	now    func() time.Time
	tokens map[string]token // by volume and index of its source
}

// dirs says where each volume of the pod is, without making it.
func (v *volumes) dirs(ctx context.Context, pod *corev1.Pod) (map[string]string, error) {
	dirs := map[string]string{}
	for _, vol := range pod.Spec.Volumes {
		dirs[vol.Name] = filepath.Join(v.root, "volumes", vol.Name)
		if claim := vol.PersistentVolumeClaim; claim != nil {
			pvc, err := v.client.CoreV1().PersistentVolumeClaims(pod.Namespace).Get(ctx, claim.ClaimName, metav1.GetOptions{})
			if err != nil {
				return nil, fmt.Errorf("volume %q: %w", vol.Name, err)
			}
			dirs[vol.Name] = claimDir(v.claims, pvc)
		}
	}
	return dirs, nil
}

// claimDir is where a claim's data lives. The UID is in it, so that a claim
// that was deleted and made again begins empty, as in a cluster.
func claimDir(claims string, pvc *corev1.PersistentVolumeClaim) string {
	return filepath.Join(claims, fmt.Sprintf("%s_%s_%s", pvc.Namespace, pvc.Name, pvc.UID))
}

// sync makes the volumes' directories and brings their content up to date. It
// returns when the first token is to be renewed; zero if there is none.
func (v *volumes) sync(ctx context.Context, pod *corev1.Pod, at placement, dirs map[string]string) (time.Time, error) {
	objs := readObjects(ctx, v.client, pod.Namespace)
	for _, vol := range pod.Spec.Volumes {
		if err := os.MkdirAll(dirs[vol.Name], 0o700); err != nil {
			return time.Time{}, err
		}
		content, err := v.content(ctx, pod, at, vol, objs)
		if err != nil {
			return time.Time{}, fmt.Errorf("volume %q: %w", vol.Name, err)
		}
		if content == nil {
			continue
		}
		if _, err := writeAtomic(dirs[vol.Name], content); err != nil {
			return time.Time{}, fmt.Errorf("volume %q: %w", vol.Name, err)
		}
	}
	var first time.Time
	for _, t := range v.tokens {
		if first.IsZero() || t.renewAt.Before(first) {
			first = t.renewAt
		}
	}
	return first, nil
}

// content is nil for a volume whose files belong to the pod.
func (v *volumes) content(ctx context.Context, pod *corev1.Pod, at placement, vol corev1.Volume, objs objects) (payload, error) {
	switch src := vol.VolumeSource; {
	case src.ConfigMap != nil:
		return configMapFiles(objs, src.ConfigMap.Name, src.ConfigMap.Items, src.ConfigMap.DefaultMode, src.ConfigMap.Optional)
	case src.Secret != nil:
		return secretFiles(objs, src.Secret.SecretName, src.Secret.Items, src.Secret.DefaultMode, src.Secret.Optional)
	case src.DownwardAPI != nil:
		return downwardFiles(pod, at, src.DownwardAPI.Items, src.DownwardAPI.DefaultMode)
	case src.Projected != nil:
		out := payload{}
		for i, source := range src.Projected.Sources {
			part, err := v.projection(ctx, pod, at, source, src.Projected.DefaultMode, objs, fmt.Sprintf("%s/%d", vol.Name, i))
			if err != nil {
				return nil, fmt.Errorf("sources[%d]: %w", i, err)
			}
			maps.Copy(out, part)
		}
		return out, nil
	}
	return nil, nil
}

func (v *volumes) projection(ctx context.Context, pod *corev1.Pod, at placement, src corev1.VolumeProjection, mode *int32, objs objects, id string) (payload, error) {
	switch {
	case src.ConfigMap != nil:
		return configMapFiles(objs, src.ConfigMap.Name, src.ConfigMap.Items, mode, src.ConfigMap.Optional)
	case src.Secret != nil:
		return secretFiles(objs, src.Secret.Name, src.Secret.Items, mode, src.Secret.Optional)
	case src.DownwardAPI != nil:
		return downwardFiles(pod, at, src.DownwardAPI.Items, mode)
	case src.ServiceAccountToken != nil:
		t, ok := v.tokens[id]
		if now := v.now(); !ok || !now.Before(t.renewAt) {
			fresh, err := requestToken(ctx, v.client, pod, src.ServiceAccountToken, now)
			if err != nil {
				return nil, err
			}
			t, v.tokens[id] = fresh, fresh
		}
		out := payload{}
		return out, out.add(src.ServiceAccountToken.Path, file{Data: []byte(t.value), Mode: 0o600})
	}
	return nil, fmt.Errorf("this kind of projection is not supported by a process node")
}

func configMapFiles(objs objects, name string, items []corev1.KeyToPath, mode *int32, optional *bool) (payload, error) {
	cm, err := objs.configMap(name)
	if err != nil {
		return nil, err
	}
	if cm == nil {
		return payload{}, missing("configmap", name, optional)
	}
	out, err := selectKeys(configMapData(cm), items, mode, optional != nil && *optional)
	if err != nil {
		return nil, fmt.Errorf("configmap %q: %w", name, err)
	}
	return out, nil
}

func secretFiles(objs objects, name string, items []corev1.KeyToPath, mode *int32, optional *bool) (payload, error) {
	secret, err := objs.secret(name)
	if err != nil {
		return nil, err
	}
	if secret == nil {
		return payload{}, missing("secret", name, optional)
	}
	out, err := selectKeys(secret.Data, items, mode, optional != nil && *optional)
	if err != nil {
		return nil, fmt.Errorf("secret %q: %w", name, err)
	}
	return out, nil
}
