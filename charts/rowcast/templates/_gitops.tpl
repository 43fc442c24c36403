{{/* Where Argo CD or Flux puts the custom resources. */}}
{{- define "rowcast.gitops.namespace" -}}
{{- .Values.global.gitops.destination.namespace | default .Release.Namespace -}}
{{- end -}}

{{/* The repository, as somebody in another namespace reaches it. */}}
{{- define "rowcast.gitops.url" -}}
{{- .Values.global.git.url | default (printf "http://%s:8080/rowcast.git" (include "rowcast.host" (dict "root" . "component" "git-server"))) -}}
{{- end -}}

{{/* Flux knows URLs only: user@host:path becomes ssh://user@host/path. */}}
{{- define "rowcast.gitops.fluxUrl" -}}
{{- $url := include "rowcast.gitops.url" . -}}
{{- if contains "://" $url -}}{{- $url -}}{{- else -}}{{- printf "ssh://%s" (regexReplaceAll ":" $url "/") -}}{{- end -}}
{{- end -}}
