{{/* The configuration file: what adapter.config says or, where it says nothing, the file of
deploy/base or of deploy/overlays/prometheus. */}}
{{- define "adapter.config" -}}
{{- if .Values.adapter.config -}}
{{ toYaml .Values.adapter.config }}
{{ else if .Values.adapter.prometheus.url -}}
{{ .Files.Get "files/adapter/config-prometheus.yaml" }}
{{- else -}}
{{ .Files.Get "files/adapter/config.yaml" }}
{{- end }}
{{- end }}

{{/* A ConfigMap's name with a sum of what is in it: a changed one has a new name, and so rolls
out. A replica that refuses it never becomes ready, and the old ones go on serving. */}}
{{- define "adapter.configName" -}}
loadline-adapter-config-{{ include "adapter.config" . | sha256sum | trunc 10 }}
{{- end }}

{{- define "adapter.settingsName" -}}
loadline-adapter-settings-{{ .Values.adapter.prometheus.url | sha256sum | trunc 10 }}
{{- end }}

{{/* The APIServices that are wanted, one a line. */}}
{{- define "adapter.apiServices" -}}
{{- with .Values.adapter.apiServices -}}
{{- if .custom }}
v1beta1.custom.metrics.k8s.io
v1beta2.custom.metrics.k8s.io
{{- end }}
{{- if .external }}
v1beta1.external.metrics.k8s.io
{{- end }}
{{- if .diagnostics }}
v1alpha1.diagnostics.loadline.dev
{{- end }}
{{- if .metrics }}
v1beta1.metrics.k8s.io
{{- end }}
{{- end }}
{{- end }}

{{/* The Secret with the serving certificate, and with ca.crt. */}}
{{- define "adapter.servingSecret" -}}
{{- if eq .Values.adapter.certificate.mode "selfManaged" -}}
loadline-adapter-tls
{{- else -}}
{{ .Values.adapter.certificate.secretName }}
{{- end }}
{{- end }}

{{/* The limit of memory where adapter.resources names none: 1Gi for the samples of what is
scraped, 512Mi for the values of a Prometheus. deploy has what was measured. */}}
{{- define "adapter.memory" -}}
{{- .Values.adapter.resources.limits.memory | default (ternary "512Mi" "1Gi" (ne .Values.adapter.prometheus.url "")) }}
{{- end }}
