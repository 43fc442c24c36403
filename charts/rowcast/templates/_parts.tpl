{{/* What is the jobs' own. */}}
{{- define "check.parts" -}}
command: [rowcast, check, --shutdown-sidecar, "--timeout={{ .Values.check.timeoutSeconds }}"{{ range splitList "," (include "rowcast.targets" .) }}, "--target={{ . }}"{{ end }}]
env:
  {{- include "rowcast.dapr.tokenEnv" . | nindent 2 }}
restartPolicy: Never
annotations:
  {{- include "rowcast.dapr.annotations" (dict "root" . "id" "rowcast-check" "configuration" "rowcast-closed") | nindent 2 }}
{{- end -}}

{{- define "connector.parts" -}}
command:
  - rowcast
  - connector
  - apply
  - --wait
  - --timeout={{ .Values.connector.timeoutSeconds }}
  - --name={{ .Values.global.connect.connector }}
  - --topic-prefix={{ .Values.global.kafka.topicPrefix }}
  - --slot={{ .Values.global.postgres.slot }}
  - --set=database.sslmode=${env:ROWCAST_CAPTURE_DB_SSLMODE}
  # The worker's, too: so the job is the same job whichever authority there is. Read only if the mode verifies.
  - --set=database.sslrootcert=${env:ROWCAST_CAPTURE_DB_SSLROOTCERT}
  {{- range $key, $value := .Values.connector.settings }}
  - {{ printf "--set=%s=%v" $key $value | quote }}
  {{- end }}
env:
  {{- include "rowcast.connect.env" . | nindent 2 }}
restartPolicy: OnFailure
{{- end -}}

{{- define "rowcast.dapr.observation" -}}
metric:
  enabled: true
  http:
    increasedCardinality: false
tracing:
  {{- if .tracing.otel.endpoint }}
  samplingRate: {{ .tracing.samplingRate | quote }}
  otel:
    endpointAddress: {{ .tracing.otel.endpoint | quote }}
    protocol: http
    isSecure: {{ .tracing.otel.secure }}
  {{- else }}
  samplingRate: "0"
  {{- end }}
{{- end -}}

{{/* dict root, values (a job's own): with what holds for all jobs, and the one account that they share. As YAML. */}}
{{- define "rowcast.jobValues" -}}
{{- $jobs := .root.Values.jobs -}}
{{- $account := include "rowcast.serviceAccountName" (dict "root" .root "component" "jobs" "values" $jobs) -}}
{{- toYaml (merge (deepCopy .values) (dict "serviceAccount" (dict "name" $account)) $jobs) -}}
{{- end -}}
