{{/*
dict root, name, key: the value of a generated secret, in base64: the one in the cluster, or else a new one.
It is why a password survives an upgrade. `helm template` sees no cluster: there, name a secret of yours.
*/}}
{{- define "rowcast.generated" -}}
{{- $present := lookup "v1" "Secret" .root.Release.Namespace .name -}}
{{- $data := dict -}}
{{- if $present -}}{{- $data = $present.data | default dict -}}{{- end -}}
{{- index $data .key | default (randAlphaNum 32 | b64enc) -}}
{{- end -}}

{{/* Whether Helm makes them. Empty where a job does. */}}
{{- define "rowcast.secrets.rendered" -}}
{{- if eq .Values.global.secrets.generate "render" -}}true{{- end -}}
{{- end -}}

{{/* dict root, component, name, keys: a secret with generated values, kept when the release goes if its data is. */}}
{{- define "rowcast.generatedSecret" -}}
apiVersion: v1
kind: Secret
metadata:
  {{- include "rowcast.metadata" . | nindent 2 }}
type: Opaque
data:
  {{- $arguments := . }}
  {{- range .keys }}
  {{ . }}: {{ include "rowcast.generated" (dict "root" $arguments.root "name" $arguments.name "key" .) }}
  {{- end }}
{{- end -}}

{{- define "rowcast.postgres.secretName" -}}
{{- .Values.global.postgres.existingSecret | default (include "rowcast.name" (dict "root" . "component" "postgres")) -}}
{{- end -}}

{{/* The secret of the login to Connect's REST; empty where one's own Connect wants none. */}}
{{- define "rowcast.connect.secretName" -}}
{{- $connect := .Values.global.connect -}}
{{- $included := ternary (include "rowcast.name" (dict "root" . "component" "connect")) "" (eq $connect.url "") -}}
{{- $connect.login.existingSecret | default $included -}}
{{- end -}}

{{/* The secret of the included broker's users. */}}
{{- define "rowcast.kafka.secretName" -}}
{{- .Values.global.kafka.usersSecret | default (include "rowcast.name" (dict "root" . "component" "kafka")) -}}
{{- end -}}

{{- define "rowcast.git.secretName" -}}
{{- .Values.global.git.existingSecret | default (include "rowcast.name" (dict "root" . "component" "git-server")) -}}
{{- end -}}

{{- define "rowcast.dapr.apiTokenSecret" -}}
{{- .Values.global.dapr.apiToken.existingSecret | default (include "rowcast.name" (dict "root" . "component" "dapr-api-token")) -}}
{{- end -}}

{{- define "rowcast.dapr.appTokenSecret" -}}
{{- .Values.global.dapr.appToken.existingSecret | default (include "rowcast.name" (dict "root" . "component" "dapr-app-token")) -}}
{{- end -}}

{{/* dict name, secret, key: an environment variable from a secret. */}}
{{- define "rowcast.secretEnv" -}}
- name: {{ .name }}
  valueFrom:
    secretKeyRef: {name: {{ .secret }}, key: {{ .key }}}
{{- end -}}
