{{/* Where Argo CD or Flux puts the custom resources. */}}
{{- define "rowcast.gitops.namespace" -}}
{{- .Values.gitops.destination.namespace | default .Release.Namespace -}}
{{- end -}}

{{/* Flux knows URLs only: user@host:path becomes ssh://user@host/path. */}}
{{- define "rowcast.gitops.fluxUrl" -}}
{{- $url := include "rowcast.git.url" . -}}
{{- if contains "://" $url -}}{{- $url -}}{{- else -}}{{- printf "ssh://%s" (regexReplaceAll ":" $url "/") -}}{{- end -}}
{{- end -}}
