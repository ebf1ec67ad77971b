{{/* Labels that Helm's users expect. Names of objects do not depend on the release: one installation in a namespace. */}}
{{- define "muster.componentLabels" -}}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Those of the base have one more. */}}
{{- define "muster.labels" -}}
app.kubernetes.io/part-of: muster
{{ include "muster.componentLabels" . }}
{{- end }}

{{/* The image of a program: its own value, or registry, repository and tag of all. */}}
{{- define "muster.image" -}}
{{- $all := .root.Values.image -}}
{{- if .image -}}
{{ .image }}
{{- else -}}
{{ with $all.registry }}{{ . }}/{{ end }}{{ $all.repository }}/{{ .program }}:{{ $all.tag | default .root.Chart.AppVersion }}
{{- end -}}
{{- end }}
