{{/* Whether the level is one of ours: below another chart it may be meant for others, who count otherwise. Empty for no. */}}
{{- define "rowcast.logLevel.known" -}}
{{- if has .Values.global.logLevel (list "debug" "info" "warning" "error") -}}true{{- end -}}
{{- end -}}

{{/* The settings that all of Rowcast's services have. */}}
{{- define "rowcast.service.env" -}}
- {name: ROWCAST_HTTP_HOST, value: "0.0.0.0"}
- {name: ROWCAST_HTTP_PORT, value: "8080"}
- {name: ROWCAST_LOG_FORMAT, value: json}
- {name: ROWCAST_LOG_LEVEL, value: {{ ternary .Values.global.logLevel "info" (include "rowcast.logLevel.known" . | ne "") }}}
- {name: ROWCAST_SHUTDOWN_SECONDS, value: {{ .Values.global.shutdown.drainSeconds | quote }}}
- {name: ROWCAST_TOPIC_PREFIX, value: {{ .Values.global.kafka.topicPrefix }}}
{{ include "rowcast.dapr.tokenEnv" . }}
{{ include "rowcast.dapr.appTokenEnv" . }}
{{ include "rowcast.tracingEnv" . }}
{{- end -}}

{{/* What a service's container has beside its command and its own settings. */}}
{{- define "rowcast.service.parts" -}}
ports:
  - {name: http, containerPort: 8080}
# The process answers. That what it needs is there, is readiness: a restart mends no database.
startupProbe:
  httpGet: {path: /healthz, port: http}
  periodSeconds: 1
  timeoutSeconds: 3
  failureThreshold: 60
readinessProbe:
  httpGet: {path: /readyz, port: http}
  periodSeconds: 3
  timeoutSeconds: 3
  failureThreshold: 2
livenessProbe:
  httpGet: {path: /healthz, port: http}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
lifecycle:
  preStop:
    sleep: {seconds: {{ .Values.global.shutdown.preStopSeconds }}}
grace: {{ include "rowcast.graceSeconds" . }}
{{- end -}}
