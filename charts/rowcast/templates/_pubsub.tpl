{{/* The metadata of Dapr's component for each kind of broker, equal to dapr-components/brokers/KIND.yaml but for addresses, logins and the names of consumers: a test holds the two together. */}}

{{- define "rowcast.pubsub.kafka" -}}
{{- $kafka := .Values.global.kafka -}}
{{- $prefix := $kafka.topicPrefix -}}
- name: brokers
  value: {{ include "rowcast.kafka.brokers" . | quote }}
{{- with include "rowcast.kafka.login" (dict "root" . "user" "rowcast") | fromYaml }}{{ if .mechanism }}
- name: authType
  value: password
- name: saslMechanism
  value: {{ ternary "PLAINTEXT" (trimPrefix "SCRAM-" .mechanism) (eq .mechanism "PLAIN") }}
- name: saslUsername
  secretKeyRef: {name: {{ .secret }}, key: {{ .usernameKey }}}
- name: saslPassword
  secretKeyRef: {name: {{ .secret }}, key: {{ .passwordKey }}}
{{- end }}{{ else }}
- name: authType
  value: none
{{- end }}
- name: disableTls
  value: {{ not $kafka.tls.enabled | quote }}
{{- if and $kafka.tls.enabled $kafka.tls.caSecret.name }}
- name: caCert
  secretKeyRef: {name: {{ $kafka.tls.caSecret.name }}, key: {{ $kafka.tls.caSecret.key }}}
{{- end }}
# By itself Dapr names the group as the application, in every namespace that shares the broker.
- name: consumerGroup
  value: {{ include "rowcast.broker.consumer" . | quote }}
- name: version
  value: "4.0.0"
- name: initialOffset
  value: oldest
- name: consumeRetryEnabled
  value: "true"
- name: consumeRetryInterval
  value: 200ms
- name: backOffMaxRetries
  value: "-1"
- name: backOffPolicy
  value: exponential
- name: backOffInitialInterval
  value: 100ms
- name: backOffMaxInterval
  value: 5s
- name: backOffMaxElapsedTime
  value: "0"
- name: channelBufferSize
  value: "2048"
- name: consumerFetchDefault
  value: "8388608"
- name: maxMessageBytes
  value: "4194304"
- name: sessionTimeout
  value: 6s
- name: heartbeatInterval
  value: 2s
{{- end -}}

{{- define "rowcast.pubsub.redis" -}}
{{- $redis := .Values.global.redis -}}
- name: redisHost
  value: {{ include "rowcast.broker.address" (dict "root" .) | quote }}
{{- with include "rowcast.broker.secretName" . }}
- name: redisUsername
  secretKeyRef: {name: {{ . }}, key: {{ $redis.secretKeys.username }}}
- name: redisPassword
  secretKeyRef: {name: {{ . }}, key: {{ $redis.secretKeys.password }}}
{{- end }}
- name: enableTLS
  value: {{ $redis.tls.enabled | quote }}
- name: consumerID
  value: {{ include "rowcast.broker.consumer" . | quote }}
- name: concurrency
  value: "1000"
- name: queueDepth
  value: "1000"
- name: processingTimeout
  value: 30s
- name: redeliverInterval
  value: 5s
- name: streamTTL
  value: 168h
{{- end -}}

{{- define "rowcast.pubsub.rabbitmq" -}}
- name: connectionString
  secretKeyRef: {name: {{ include "rowcast.broker.secretName" . }}, key: {{ .Values.global.rabbitmq.secretKeys.url }}}
{{- with include "rowcast.broker.ca" . | fromYaml }}
- name: caCert
  secretKeyRef: {name: {{ .name }}, key: {{ .key }}}
{{- end }}
- name: consumerID
  value: {{ include "rowcast.broker.consumer" . | quote }}
- name: durable
  value: "true"
- name: deletedWhenUnused
  value: "false"
- name: requeueInFailure
  value: "true"
- name: deliveryMode
  value: "2"
- name: publisherConfirm
  value: "true"
- name: prefetchCount
  value: "255"
- name: concurrency
  value: parallel
{{- end -}}

{{- define "rowcast.pubsub.jetstream" -}}
- name: natsURL
  {{- if include "rowcast.broker.secretName" . }}
  secretKeyRef: {name: {{ include "rowcast.broker.secretName" . }}, key: {{ .Values.global.jetstream.secretKeys.url }}}
  {{- else }}
  value: {{ printf "%s://%s" (include "rowcast.broker.scheme" .) (include "rowcast.broker.address" (dict "root" .)) | quote }}
  {{- end }}
- name: durableName
  value: {{ include "rowcast.broker.consumer" . | quote }}
- name: queueGroupName
  value: {{ include "rowcast.broker.consumer" . | quote }}
- name: deliverPolicy
  value: all
- name: ackPolicy
  value: explicit
# As capture makes them: Dapr refuses a consumer that has others.
- name: ackWait
  value: 10s
- name: maxAckPending
  value: "1"
- name: concurrency
  value: single
{{- end -}}
