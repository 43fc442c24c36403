{{/* dict root, id, port (optional), configuration, drain, broker (whether it publishes or subscribes): the sidecar, as the local platform starts its own. */}}
{{- define "rowcast.dapr.annotations" -}}
{{- $dapr := .root.Values.global.dapr -}}
dapr.io/enabled: "true"
dapr.io/app-id: {{ .id }}
dapr.io/config: {{ .configuration }}
dapr.io/api-token-secret: {{ include "rowcast.dapr.apiTokenSecret" .root }}
{{- if .port }}
dapr.io/app-token-secret: {{ include "rowcast.dapr.appTokenSecret" .root }}
dapr.io/app-port: {{ .port | quote }}
dapr.io/app-protocol: http
{{- /* Else it would stop subscribing while its application is unwell, and may never begin again (decision 13). */}}
dapr.io/enable-app-health-check: "false"
{{- end }}
{{- if .drain }}
dapr.io/block-shutdown-duration: {{ printf "%ds" (int .drain) }}
{{- end }}
dapr.io/graceful-shutdown-seconds: {{ $dapr.sidecar.gracefulShutdownSeconds | quote }}
dapr.io/max-body-size: {{ $dapr.sidecar.maxBodySize }}
{{- /* Of a request's line and headers: keys of rows, and cursors, may be long. */}}
dapr.io/read-buffer-size: 32Ki
dapr.io/disable-builtin-k8s-secret-store: "true"
dapr.io/log-as-json: "true"
dapr.io/log-level: {{ $dapr.sidecar.logLevel }}
dapr.io/sidecar-seccomp-profile-type: RuntimeDefault
dapr.io/sidecar-cpu-request: {{ $dapr.sidecar.resources.requests.cpu | quote }}
dapr.io/sidecar-memory-request: {{ $dapr.sidecar.resources.requests.memory | quote }}
{{- with $dapr.sidecar.resources.limits.cpu }}
dapr.io/sidecar-cpu-limit: {{ . | quote }}
{{- end }}
dapr.io/sidecar-memory-limit: {{ $dapr.sidecar.resources.limits.memory | quote }}
dapr.io/sidecar-liveness-probe-delay-seconds: "10"
{{- with $dapr.sidecar.image }}
dapr.io/sidecar-image: {{ . }}
{{- end }}
{{- if and .broker (include "rowcast.broker.sidecarTrust" .root) }}
dapr.io/volume-mounts: broker-ca:/etc/rowcast/broker
dapr.io/env: SSL_CERT_DIR=/etc/rowcast/broker
{{- end }}
{{- with $dapr.sidecar.annotations }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* What the injector gives only to the sidecar. */}}
{{- define "rowcast.dapr.tokenEnv" -}}
{{ include "rowcast.secretEnv" (dict "name" "DAPR_API_TOKEN" "secret" (include "rowcast.dapr.apiTokenSecret" .) "key" "token") }}
{{- end -}}

{{- define "rowcast.dapr.appTokenEnv" -}}
{{ include "rowcast.secretEnv" (dict "name" "APP_API_TOKEN" "secret" (include "rowcast.dapr.appTokenSecret" .) "key" "token") }}
{{- end -}}

{{/* Where an application sends its spans, if anywhere: its sidecar's are in the Configuration. */}}
{{- define "rowcast.tracingEnv" -}}
{{- $tracing := .Values.global.dapr.tracing -}}
{{- with $tracing.otel.endpoint }}
- name: OTEL_EXPORTER_OTLP_ENDPOINT
  value: {{ printf "%s://%s" (ternary "https" "http" $tracing.otel.secure) . }}
- name: OTEL_TRACES_SAMPLER
  value: parentbased_traceidratio
- name: OTEL_TRACES_SAMPLER_ARG
  value: {{ $tracing.samplingRate | quote }}
{{- end }}
{{- end -}}

{{/*
How a pod ends, in seconds. The sidecar stops to take events at once, and goes on to serve its application; that one
waits until callers know that it goes, then ends what it has begun. `drain`: the two together; `grace`: all of it.
*/}}
{{- define "rowcast.drainSeconds" -}}
{{- add .Values.global.shutdown.preStopSeconds .Values.global.shutdown.drainSeconds -}}
{{- end -}}

{{- define "rowcast.graceSeconds" -}}
{{- add (include "rowcast.drainSeconds" .) .Values.global.dapr.sidecar.gracefulShutdownSeconds 10 -}}
{{- end -}}
