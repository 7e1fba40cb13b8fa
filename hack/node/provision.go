package node

import (
	"context"
	"path/filepath"
	"time"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// StorageClass is the default storage class a process node brings: claims of it
// are directories.
const StorageClass = "process-node"

const provisioner = "loadline.dev/process-node"

// provisionInterval is how often claims are looked for; a pod with a new claim
// starts this much later at most.
const provisionInterval = time.Second

// provision makes the storage class and a volume for every claim of it, until
// ctx ends. Without one the scheduler would never place the pods of a
// StatefulSet with claims.
func (n *Node) provision(ctx context.Context) {
	ready := false
	for {
		call, cancel := context.WithTimeout(ctx, callTimeout)
		var err error
		if !ready {
			err = n.makeClass(call)
			ready = err == nil
		}
		if err == nil {
			err = n.provisionAll(call)
		}
		cancel()
		if err != nil && ctx.Err() == nil {
			n.opts.Log.Warn("claims are not provided for", "err", err)
		}
		if sleep(ctx, provisionInterval) != nil {
			return
		}
	}
}

func (n *Node) makeClass(ctx context.Context) error {
	class := &storagev1.StorageClass{
		ObjectMeta:  metav1.ObjectMeta{Name: StorageClass, Annotations: map[string]string{"storageclass.kubernetes.io/is-default-class": "true"}},
		Provisioner: provisioner,
	}
	_, err := n.client.StorageV1().StorageClasses().Create(ctx, class, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	return err
}

func (n *Node) provisionAll(ctx context.Context) error {
	// ResourceVersion 0 is answered from the API server's cache.
	list, err := n.client.CoreV1().PersistentVolumeClaims("").List(ctx, metav1.ListOptions{ResourceVersion: "0"})
	if err != nil {
		return err
	}
	for i := range list.Items {
		claim := &list.Items[i]
		if !wantsVolume(claim) {
			continue
		}
		volume := claimVolume(claim, claimDir(filepath.Join(n.opts.Dir, "claims"), claim))
		if _, err := n.client.CoreV1().PersistentVolumes().Create(ctx, volume, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
			return err
		}
	}
	return nil
}

func wantsVolume(claim *corev1.PersistentVolumeClaim) bool {
	class := claim.Spec.StorageClassName
	return class != nil && *class == StorageClass && claim.Spec.VolumeName == "" && claim.DeletionTimestamp == nil
}

// claimVolume is the volume that answers a claim. It is kept when the claim
// goes: its directory lives as long as the node's.
func claimVolume(claim *corev1.PersistentVolumeClaim, dir string) *corev1.PersistentVolume {
	return &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{
			Name:        "pvc-" + string(claim.UID),
			Annotations: map[string]string{"pv.kubernetes.io/provisioned-by": provisioner},
		},
		Spec: corev1.PersistentVolumeSpec{
			StorageClassName:              StorageClass,
			AccessModes:                   claim.Spec.AccessModes,
			Capacity:                      claim.Spec.Resources.Requests,
			PersistentVolumeReclaimPolicy: corev1.PersistentVolumeReclaimRetain,
			PersistentVolumeSource:        corev1.PersistentVolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: dir}},
			ClaimRef: &corev1.ObjectReference{Kind: "PersistentVolumeClaim", APIVersion: "v1",
				Namespace: claim.Namespace, Name: claim.Name, UID: claim.UID},
		},
	}
}
