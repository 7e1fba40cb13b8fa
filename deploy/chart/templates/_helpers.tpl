{{/* What is given to these is a dict: "root" is the chart's top context, "name" that of the
program, loadline-adapter or loadline-policy. */}}

{{/* Labels that all objects of a program have. */}}
{{- define "loadline.labels" -}}
app.kubernetes.io/name: {{ .name }}
app.kubernetes.io/part-of: loadline
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end }}

{{/* metadata of a namespaced object called "object", by default like the program. */}}
{{- define "loadline.metadata" -}}
name: {{ .object | default .name }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "loadline.labels" . | nindent 2 }}
{{- end }}

{{/* The objects of a file that the chart takes over as it stands, but for the release's
namespace and the labels. "subjects", where given, are the subjects of its bindings;
"annotations" and "labels" are added to each of its objects; those with "bare" get none of ours.
"caBundle" is what its webhooks are verified by. */}}
{{- define "loadline.file" -}}
{{- $text := .root.Files.Get .file | required (printf "%s is not in the chart" .file) }}
{{- $all := dict }}
{{- if not .bare }}
{{- $all = include "loadline.labels" . | fromYaml | merge (.labels | default dict) }}
{{- end }}
{{- range splitList "\n---\n" (replace "loadline-system" .root.Release.Namespace $text) }}
{{- $object := fromYaml . }}
{{- with merge (dict) $all ($object.metadata.labels | default dict) }}
{{- $_ := set $object.metadata "labels" . }}
{{- end }}
{{- with $.annotations }}
{{- $_ := set $object.metadata "annotations" (merge (dict) . ($object.metadata.annotations | default dict)) }}
{{- end }}
{{- if and $.subjects (hasSuffix "Binding" $object.kind) }}
{{- $_ := set $object "subjects" $.subjects }}
{{- end }}
{{- if $.caBundle }}
{{- range $object.webhooks }}
{{- $_ := set .clientConfig "caBundle" $.caBundle }}
{{- end }}
{{- end }}
---
{{ toYaml $object }}
{{ end }}
{{- end }}

{{/* The ServiceAccount of the Prometheus that scrapes, as the subjects of a binding; "of" has
its name and its namespace. */}}
{{- define "loadline.prometheus" -}}
- kind: ServiceAccount
  name: {{ .serviceAccount }}
  namespace: {{ .namespace }}
{{- end }}

{{/* An image; "image" is a value of that name. */}}
{{- define "loadline.image" -}}
{{- if .image.digest -}}
{{ .image.repository }}@{{ .image.digest }}
{{- else -}}
{{ .image.repository }}:{{ .image.tag | default .root.Chart.AppVersion }}
{{- end }}
{{- end }}

{{/* GOMEMLIMIT for a memory limit of so many Mi or Gi: nine tenths, in tens. Near it the
collector works harder, where it would else let garbage grow beyond the limit. */}}
{{- define "loadline.goMemLimit" -}}
{{- $mi := trimSuffix "Mi" . | trimSuffix "Gi" | int }}
{{- if hasSuffix "Gi" . }}{{ $mi = mul $mi 1024 }}{{ end -}}
{{ div (mul $mi 9) 100 | mul 10 }}MiB
{{- end }}

{{/* Requests and limits; "resources" is a value of that name, "memory" the limit where it
names none. */}}
{{- define "loadline.resources" -}}
{{- $limits := merge (dict "memory" (.resources.limits.memory | default .memory)) (omit .resources.limits "memory") }}
{{- toYaml (dict "requests" .resources.requests "limits" $limits) }}
{{- end }}

{{/* The parts of a Deployment's spec that both programs have alike; "values" are those of the
program. Of two replicas one is enough, so none is taken away before the next is ready. */}}
{{- define "loadline.replicas" -}}
replicas: {{ .values.replicas }}
strategy:
  rollingUpdate:
    maxUnavailable: 0
    maxSurge: 1
selector:
  matchLabels:
    app.kubernetes.io/name: {{ .name }}
{{- end }}

{{/* metadata of a pod; "scraped" are annotations of ours. */}}
{{- define "loadline.podMetadata" -}}
labels:
  {{- with .values.podLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
  app.kubernetes.io/name: {{ .name }}
  app.kubernetes.io/part-of: loadline
{{- $annotations := .values.podAnnotations | default dict }}
{{- if .values.metrics.annotations }}
{{- $annotations = merge (dict "prometheus.io/scrape" "true" "prometheus.io/port" "8080" "prometheus.io/path" "/metrics") $annotations }}
{{- end }}
{{- with $annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Where pods run, and as whom. */}}
{{- define "loadline.pod" -}}
serviceAccountName: {{ .name }}
automountServiceAccountToken: true
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
# The shutdown delay, the last requests or writes, and room to spare.
terminationGracePeriodSeconds: 30
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  seccompProfile:
    type: RuntimeDefault
{{- with .values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
affinity:
{{- if .values.affinity }}
  {{- toYaml .values.affinity | nindent 2 }}
{{- else }}
  podAntiAffinity:
    preferredDuringSchedulingIgnoredDuringExecution:
    - weight: 100
      podAffinityTerm:
        topologyKey: kubernetes.io/hostname
        labelSelector:
          matchLabels:
            app.kubernetes.io/name: {{ .name }}
{{- end }}
topologySpreadConstraints:
{{- if .values.topologySpreadConstraints }}
{{- toYaml .values.topologySpreadConstraints | nindent 0 }}
{{- else }}
- maxSkew: 1
  topologyKey: topology.kubernetes.io/zone
  whenUnsatisfiable: ScheduleAnyway
  labelSelector:
    matchLabels:
      app.kubernetes.io/name: {{ .name }}
{{- end }}
{{- end }}

{{/* securityContext of a container. */}}
{{- define "loadline.restricted" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{/* A ServiceAccount. */}}
{{- define "loadline.serviceAccount" -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  {{- include "loadline.metadata" . | nindent 2 }}
  {{- with .values.serviceAccount.annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
# The Deployment asks for the token itself; nothing else here needs one.
automountServiceAccountToken: false
{{- end }}

{{/* A Certificate of cert-manager's for the Service "service", into the Secret that the value
"certificate" names, by its issuer or else by that of our own CA, called "ca". */}}
{{- define "loadline.certificate" -}}
apiVersion: cert-manager.io/v1
kind: Certificate
metadata:
  {{- include "loadline.metadata" (merge (dict "object" .certificate.secretName) .) | nindent 2 }}
spec:
  secretName: {{ .certificate.secretName }}
  dnsNames: [{{ .service }}.{{ .root.Release.Namespace }}.svc]
  privateKey: {algorithm: ECDSA, size: 256, rotationPolicy: Always}
  issuerRef:
    group: {{ .certificate.issuerRef.group }}
    kind: {{ .certificate.issuerRef.kind }}
    name: {{ .certificate.issuerRef.name | default .ca }}
{{- end }}
