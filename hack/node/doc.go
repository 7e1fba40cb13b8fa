// Package node is a process node: a very small kubelet that registers one Node
// and runs every container of the pods bound to it as a plain OS process. It is
// for development and tests of a local cluster without a container engine: the
// pods are real (they answer on their own pod IP, probes probe them, they are
// killed and restarted), only the walls between them are missing.
//
// # Why its own loop
//
// The obvious alternative is github.com/virtual-kubelet/virtual-kubelet with a
// provider of our own. Decision: not used. What it would take off us, one watch and
// one status write, is the small part of this package: volumes with atomic updates,
// tokens, probes, restarts, termination and the service proxy are the provider's task
// there too. client-go is the only dependency instead.
//
// # What is as on a real node
//
// Environment ($(VAR), valueFrom, envFrom, service variables), volumes of type
// emptyDir, configMap, secret, projected, downwardAPI and persistentVolumeClaim
// (ConfigMaps, Secrets and tokens are updated by the atomic "..data" swap),
// startup, readiness and liveness probes, init containers, restart policy with
// back-off, preStop, termination with its grace period, pod status and node
// lease. Services are answered on their cluster IP by a userspace proxy. Claims of
// the default storage class the node brings are bound to directories. kubectl logs
// works where the node has a namespace of its own.
//
// As on a real node, a terminating pod stays Ready while its readiness probe
// succeeds: what takes it out of a Service is its deletion timestamp.
//
// # What is different
//
//   - An image is a name for a binary: Options.Images. command[0] stands for the
//     image's entry point and is replaced by Image.Path; an Image with an empty
//     Path runs command[0] of the host instead. Any other image waits with
//     ErrImagePull.
//   - Processes run as ourselves: runAsUser, capabilities, seccomp,
//     readOnlyRootFilesystem and resource limits are accepted and not enforced.
//   - There is no mount namespace. A volume is a host directory, and its mountPath
//     is replaced in command, args, env values and workingDir. A path compiled
//     into a binary is not found. For the same reason rest.InClusterConfig cannot
//     work; a kubeconfig with the pod's own token is written and KUBECONFIG names
//     it, unless the pod sets KUBECONFIG.
//   - There is no network namespace for each pod: a process must bind to its pod
//     IP (fieldRef status.podIP), or two pods with one port collide.
//   - A container may not use a port of another on the same IP, the host name is
//     the host's (HOSTNAME in the environment is the pod's), and only the direct
//     child is sure to die with a node that was killed.
//   - The image of a running container cannot be changed in place.
//
// A field that would change the meaning of a pod and is not supported (see
// unsupported.go) keeps the pod waiting with CreateContainerConfigError and says
// which field it is.
package node
