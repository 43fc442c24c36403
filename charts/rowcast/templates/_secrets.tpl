{{/* dict root, component, name, fixed, random, urls: a secret that the job makes, as one entry of its list. */}}
{{- define "rowcast.secrets.entry" -}}
{{- $labels := omit (include "rowcast.labels" . | fromYaml) "helm.sh/chart" "app.kubernetes.io/version" -}}
{{- /* So that a release that goes back to `render` takes them for its own. */ -}}
{{- $release := dict "meta.helm.sh/release-name" .root.Release.Name "meta.helm.sh/release-namespace" .root.Release.Namespace -}}
- {{ toJson (merge (omit . "root" "component") (dict "labels" $labels "annotations" $release)) }}
{{ end -}}

{{/* Every secret that is made up: those that Helm renders otherwise, which a test holds it to. */}}
{{- define "rowcast.secrets.wanted" -}}
{{- $g := .Values.global -}}
{{- $broker := $g.broker.kind -}}
{{- $keys := $g.postgres.secretKeys -}}
{{- if and .Values.postgres.enabled (not $g.postgres.existingSecret) }}
{{ include "rowcast.secrets.entry" (dict "root" . "component" "postgres" "name" (include "rowcast.postgres.secretName" .) "random" (list $keys.password $keys.servingPassword $keys.replicationPassword $keys.superuserPassword)) }}
{{- end }}
{{- if and (eq $broker "kafka") .Values.kafka.enabled (not $g.kafka.usersSecret) }}
{{ include "rowcast.secrets.entry" (dict "root" . "component" "kafka" "name" (include "rowcast.kafka.secretName" .) "fixed" (dict "username" "rowcast" "connect-username" "connect") "random" (list "password" "connect-password" "admin-password")) }}
{{- else if and (ne $broker "kafka") (get .Values $broker).enabled (not (get $g $broker).existingSecret) }}
{{- $keys := (get $g $broker).secretKeys }}
{{- $url := printf "%s://{%s}:{%s}@%s" (include "rowcast.broker.scheme" .) $keys.username $keys.password (include "rowcast.broker.address" (dict "root" . "component" $broker)) }}
{{ include "rowcast.secrets.entry" (dict "root" . "component" $broker "name" (include "rowcast.broker.secretName" .) "fixed" (dict $keys.username "rowcast") "random" (list $keys.password) "urls" (dict $keys.url $url)) }}
{{- end }}
{{- if and (eq (include "rowcast.capture.kind" .) "connect") .Values.connect.enabled (not $g.connect.login.existingSecret) }}
{{ include "rowcast.secrets.entry" (dict "root" . "component" "connect" "name" (include "rowcast.connect.secretName" .) "random" (list $g.connect.login.passwordKey)) }}
{{- end }}
{{- if and $g.targets.git.enabled (index .Values "git-server" "enabled") (not $g.git.existingSecret) }}
{{ include "rowcast.secrets.entry" (dict "root" . "component" "git-server" "name" (include "rowcast.git.secretName" .) "fixed" (dict "username" "rowcast") "random" (list "password")) }}
{{- end }}
{{- if not $g.dapr.apiToken.existingSecret }}
{{ include "rowcast.secrets.entry" (dict "root" . "component" "dapr" "name" (include "rowcast.dapr.apiTokenSecret" .) "random" (list "token")) }}
{{- end }}
{{- if not $g.dapr.appToken.existingSecret }}
{{ include "rowcast.secrets.entry" (dict "root" . "component" "dapr" "name" (include "rowcast.dapr.appTokenSecret" .) "random" (list "token")) }}
{{- end }}
{{- end -}}
