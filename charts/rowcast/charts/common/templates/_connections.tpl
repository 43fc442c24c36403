{{/* Where the other parts are: what the values name, or else what the release brings along. */}}

{{- define "rowcast.postgres.host" -}}
{{- .Values.global.postgres.host | default (include "rowcast.name" (dict "root" . "component" "postgres")) -}}
{{- end -}}

{{- define "rowcast.kafka.brokers" -}}
{{- .Values.global.kafka.brokers | default (printf "%s:9092" (include "rowcast.name" (dict "root" . "component" "kafka"))) -}}
{{- end -}}

{{/* dict root, user (connect or rowcast): how to log in to the broker, as YAML; nothing where it wants no login. */}}
{{- define "rowcast.kafka.login" -}}
{{- $kafka := .root.Values.global.kafka -}}
{{- if eq $kafka.brokers "" }}
mechanism: PLAIN
secret: {{ include "rowcast.kafka.secretName" .root }}
usernameKey: {{ ternary "connect-username" "username" (eq .user "connect") }}
passwordKey: {{ ternary "connect-password" "password" (eq .user "connect") }}
{{- else if $kafka.sasl.mechanism }}
mechanism: {{ $kafka.sasl.mechanism }}
secret: {{ $kafka.sasl.existingSecret }}
usernameKey: {{ $kafka.sasl.secretKeys.username }}
passwordKey: {{ $kafka.sasl.secretKeys.password }}
{{- end }}
{{- end -}}

{{- define "rowcast.connect.url" -}}
{{- .Values.global.connect.url | default (printf "http://%s:8083" (include "rowcast.name" (dict "root" . "component" "connect"))) -}}
{{- end -}}

{{/* What those need who use it. */}}
{{- define "rowcast.connect.env" -}}
- {name: ROWCAST_CONNECT_URL, value: {{ include "rowcast.connect.url" . | quote }}}
{{- include "rowcast.connect.loginEnv" . }}
{{- end -}}

{{- define "rowcast.connect.loginEnv" -}}
{{- with include "rowcast.connect.secretName" . }}
- {name: ROWCAST_CONNECT_USERNAME, value: {{ $.Values.global.connect.login.username | quote }}}
{{ include "rowcast.secretEnv" (dict "name" "ROWCAST_CONNECT_PASSWORD" "secret" . "key" $.Values.global.connect.login.passwordKey) }}
{{- end }}
{{- end -}}

{{- define "rowcast.git.url" -}}
{{- .Values.global.git.url | default (printf "http://%s:8080/rowcast.git" (include "rowcast.name" (dict "root" . "component" "git-server"))) -}}
{{- end -}}

{{/* The namespace of the custom resources. */}}
{{- define "rowcast.targetNamespace" -}}
{{- .Values.global.targets.k8s.namespace | default .Release.Namespace -}}
{{- end -}}

{{/* All targets that there are, enabled or not. What only names an application's id names them all: it harms nobody, and no
     object but the target's own differs between the choices. */}}
{{- define "rowcast.allTargets" -}}
{{- join "," (concat (list "k8s" "git") (keys (include "rowcast.namedTargets" . | fromYaml) | sortAlpha)) -}}
{{- end -}}

{{/* The targets of names of their own, by name: those of `global.targets` beside k8s and git that are enabled. */}}
{{- define "rowcast.namedTargets" -}}
{{- range $name, $target := omit .Values.global.targets "k8s" "git" -}}
{{- if and $target (ne (toString $target.enabled) "false") }}
{{ dict $name $target | toYaml }}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The names of the enabled targets. */}}
{{- define "rowcast.targets" -}}
{{- $targets := list -}}
{{- if .Values.global.targets.k8s.enabled -}}{{- $targets = append $targets "k8s" -}}{{- end -}}
{{- if .Values.global.targets.git.enabled -}}{{- $targets = append $targets "git" -}}{{- end -}}
{{- join "," (concat $targets (keys (include "rowcast.namedTargets" . | fromYaml) | sortAlpha)) -}}
{{- end -}}

{{/* The same with their kinds, as ROWCAST_TARGETS wants them. */}}
{{- define "rowcast.targetKinds" -}}
{{- $named := include "rowcast.namedTargets" . | fromYaml -}}
{{- $targets := list -}}
{{- range splitList "," (include "rowcast.targets" .) -}}
{{- $targets = append $targets (ternary (printf "%s=%s" . (get $named . | default dict).kind) . (hasKey $named .)) -}}
{{- end -}}
{{- join "," $targets -}}
{{- end -}}

{{/* dict root, kind: the enabled targets of a kind, by name as rowcast.targets has them, comma-separated. */}}
{{- define "rowcast.targetsOfKind" -}}
{{- $named := include "rowcast.namedTargets" .root | fromYaml -}}
{{- $targets := list -}}
{{- range splitList "," (include "rowcast.targets" .root) -}}
{{- if eq $.kind (get $named . | default (dict "kind" .)).kind -}}{{- $targets = append $targets . -}}{{- end -}}
{{- end -}}
{{- join "," $targets -}}
{{- end -}}

{{/* The role that crud serves as, which the migration makes. */}}
{{- define "rowcast.postgres.servingRole" -}}
{{- $derived := printf "%s_crud" (.Values.global.postgres.user | lower | replace "-" "_" | trunc 58) -}}
{{- .Values.global.postgres.servingRole | default $derived -}}
{{- end -}}

{{/* Whether that is a role of its own; else crud serves as the owner. Empty for no. */}}
{{- define "rowcast.postgres.servesApart" -}}
{{- if ne (include "rowcast.postgres.servingRole" .) .Values.global.postgres.user -}}true{{- end -}}
{{- end -}}

{{/* dict root, user, key: access to the database. The password is in a file: there it needs no escapes. */}}
{{- define "rowcast.postgres.env" -}}
{{- $postgres := .root.Values.global.postgres -}}
- name: ROWCAST_DATABASE_URL
  value: {{ printf "postgresql://%s@%s:%v/%s" .user (include "rowcast.postgres.host" .root) $postgres.port $postgres.database }}
# Read at each login, so that a new password needs no restart.
- name: ROWCAST_DATABASE_PASSWORD_FILE
  value: /etc/rowcast/database/{{ .key }}
- name: PGSSLMODE
  value: {{ $postgres.sslMode }}
{{- if $postgres.caSecret.name }}
- name: PGSSLROOTCERT
  value: /etc/rowcast/postgres/{{ $postgres.caSecret.key }}
{{- end }}
{{- end -}}

{{/* dict root, key: the volumes of that access. */}}
{{- define "rowcast.postgres.volumes" -}}
- name: database
  secret:
    secretName: {{ include "rowcast.postgres.secretName" .root }}
    defaultMode: 0440
    items: [{key: {{ .key }}, path: {{ .key }}}]
{{- include "rowcast.postgres.caVolume" .root }}
{{- end -}}

{{- define "rowcast.postgres.mounts" -}}
- {name: database, mountPath: /etc/rowcast/database, readOnly: true}
{{- include "rowcast.postgres.caMount" . }}
{{- end -}}

{{- define "rowcast.postgres.caVolume" -}}
{{- with .Values.global.postgres.caSecret.name }}
- name: postgres-ca
  secret: {secretName: {{ . }}}
{{- end }}
{{- end -}}

{{- define "rowcast.postgres.caMount" -}}
{{- if .Values.global.postgres.caSecret.name }}
- {name: postgres-ca, mountPath: /etc/rowcast/postgres, readOnly: true}
{{- end }}
{{- end -}}
