{{/* Where the other parts are: what the values name, or else what the release brings along. */}}

{{- define "rowcast.postgres.host" -}}
{{- .Values.global.postgres.host | default (include "rowcast.host" (dict "root" . "component" "postgres")) -}}
{{- end -}}

{{- define "rowcast.kafka.brokers" -}}
{{- .Values.global.kafka.brokers | default (printf "%s:9092" (include "rowcast.host" (dict "root" . "component" "kafka"))) -}}
{{- end -}}

{{- define "rowcast.connect.url" -}}
{{- .Values.global.connect.url | default (printf "http://%s:8083" (include "rowcast.host" (dict "root" . "component" "connect"))) -}}
{{- end -}}

{{- define "rowcast.git.url" -}}
{{- .Values.global.git.url | default (printf "http://%s:8080/rowcast.git" (include "rowcast.host" (dict "root" . "component" "git-server"))) -}}
{{- end -}}

{{/* The namespace of the custom resources. */}}
{{- define "rowcast.targetNamespace" -}}
{{- .Values.global.targets.k8s.namespace | default .Release.Namespace -}}
{{- end -}}

{{/* The enabled targets, as crud wants them. */}}
{{- define "rowcast.targets" -}}
{{- $targets := list -}}
{{- if .Values.global.targets.k8s.enabled -}}{{- $targets = append $targets "k8s" -}}{{- end -}}
{{- if .Values.global.targets.git.enabled -}}{{- $targets = append $targets "git" -}}{{- end -}}
{{- join "," $targets -}}
{{- end -}}

{{/* The owner's access to the database. The password goes beside the URL: there it needs no escapes. */}}
{{- define "rowcast.postgres.ownerEnv" -}}
{{- $postgres := .Values.global.postgres -}}
- name: ROWCAST_DATABASE_URL
  value: {{ printf "postgresql://%s@%s:%v/%s" $postgres.user (include "rowcast.postgres.host" .) $postgres.port $postgres.database }}
{{ include "rowcast.secretEnv" (dict "name" "PGPASSWORD" "secret" (include "rowcast.postgres.secretName" .) "key" $postgres.secretKeys.password) }}
- name: PGSSLMODE
  value: {{ $postgres.sslMode }}
{{- if $postgres.caSecret.name }}
- name: PGSSLROOTCERT
  value: /etc/rowcast/postgres/{{ $postgres.caSecret.key }}
{{- end }}
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
