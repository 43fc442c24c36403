{{/*
What KEDA asks each broker: the trigger's type, its metadata, and the login as references to secrets. It asks from a
namespace of its own, so names of the included ones have this one's.
Source: https://keda.sh/docs/2.18/scalers/ (apache-kafka, redis-streams, rabbitmq-queue, nats-jetstream).
*/}}

{{- define "sync.keda.kafka" -}}
{{- $kafka := .Values.global.kafka -}}
{{- $login := include "rowcast.kafka.login" (dict "root" . "user" "rowcast") | fromYaml -}}
type: kafka
metadata:
  bootstrapServers: {{ $kafka.brokers | default (printf "%s:9092" (include "rowcast.host" (dict "root" . "component" "kafka"))) | quote }}
  consumerGroup: {{ $kafka.topicPrefix }}-sync-{{ .target }}
  topic: {{ $kafka.topicPrefix }}.public.app_configs
  lagThreshold: {{ .Values.k8s.autoscaling.lagThreshold | quote }}
  offsetResetPolicy: earliest
  {{- if $kafka.tls.enabled }}
  tls: enable
  {{- end }}
  {{- with $login.mechanism }}
  sasl: {{ ternary "plaintext" (lower . | replace "scram-sha-" "scram_sha") (eq . "PLAIN") }}
  {{- end }}
login:
  {{- if $login.mechanism }}
  - {parameter: username, name: {{ $login.secret }}, key: {{ $login.usernameKey }}}
  - {parameter: password, name: {{ $login.secret }}, key: {{ $login.passwordKey }}}
  {{- end }}
  {{- with $kafka.tls.caSecret.name }}
  - {parameter: ca, name: {{ . }}, key: {{ $kafka.tls.caSecret.key }}}
  {{- end }}
{{- end -}}

{{- define "sync.keda.redis" -}}
{{- $redis := .Values.global.redis -}}
type: redis-streams
metadata:
  address: {{ $redis.address | default (printf "%s:6379" (include "rowcast.host" (dict "root" . "component" "redis"))) | quote }}
  stream: {{ .Values.global.kafka.topicPrefix }}.public.app_configs
  consumerGroup: {{ .Values.global.kafka.topicPrefix }}-sync-{{ .target }}
  # What the group has not been given yet; it takes a Redis of 7 or later.
  lagCount: {{ .Values.k8s.autoscaling.lagThreshold | quote }}
  {{- if $redis.tls.enabled }}
  enableTLS: "true"
  {{- end }}
login:
  {{- with include "rowcast.broker.secretName" . }}
  - {parameter: username, name: {{ . }}, key: {{ $redis.secretKeys.username }}}
  - {parameter: password, name: {{ . }}, key: {{ $redis.secretKeys.password }}}
  {{- end }}
  {{- with include "rowcast.broker.ca" . | fromYaml }}
  - {parameter: ca, name: {{ .name }}, key: {{ .key }}}
  {{- end }}
{{- end -}}

{{- define "sync.keda.rabbitmq" -}}
{{- $prefix := .Values.global.kafka.topicPrefix -}}
type: rabbitmq
metadata:
  protocol: amqp
  # As Dapr names it: the reader's name and the topic's.
  queueName: {{ printf "%s-sync-%s-%s.public.app_configs" $prefix .target $prefix }}
  mode: QueueLength
  value: {{ .Values.k8s.autoscaling.lagThreshold | quote }}
login:
  - {parameter: host, name: {{ include "rowcast.broker.secretName" . }}, key: {{ .Values.global.rabbitmq.secretKeys.url }}}
  {{- with include "rowcast.broker.ca" . | fromYaml }}
  - {parameter: ca, name: {{ .name }}, key: {{ .key }}}
  {{- end }}
{{- end -}}

{{- define "sync.keda.jetstream" -}}
{{- $prefix := .Values.global.kafka.topicPrefix -}}
type: nats-jetstream
metadata:
  natsServerMonitoringEndpoint: {{ .Values.global.jetstream.monitoring | default (printf "%s:8222" (include "rowcast.host" (dict "root" . "component" "jetstream"))) | quote }}
  account: $G
  stream: {{ printf "%s_public_app_configs" $prefix }}
  consumer: {{ printf "%s-sync-%s" $prefix .target }}
  lagThreshold: {{ .Values.k8s.autoscaling.lagThreshold | quote }}
{{- end -}}
