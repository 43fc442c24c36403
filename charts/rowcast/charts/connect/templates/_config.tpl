{{/* As the local platform's worker, but for addresses, and what a broker of one's own wants to see. */}}
{{- define "connect.properties" -}}
group.id: {{ .Values.groupId | default (printf "%s-connect" .Values.global.kafka.topicPrefix) }}
listeners: http://0.0.0.0:8083
{{- range list "config" "offset" "status" }}
{{ . }}.storage.topic: {{ $.Values.topicPrefix | default (printf "%s.connect-" $.Values.global.kafka.topicPrefix) }}{{ . }}
{{ . }}.storage.replication.factor: {{ $.Values.replicationFactor | quote }}
{{- end }}
offset.storage.partitions: "1"
status.storage.partitions: "1"
offset.flush.interval.ms: "1000"
{{- range list "key" "value" }}
{{ . }}.converter: org.apache.kafka.connect.json.JsonConverter
{{ . }}.converter.schemas.enable: "false"
{{- end }}
plugin.discovery: service_load
scheduled.rebalance.max.delay.ms: "0"
session.timeout.ms: "6000"
heartbeat.interval.ms: "2000"
config.providers: env,file
config.providers.env.class: org.apache.kafka.common.config.provider.EnvVarConfigProvider
config.providers.env.param.allowlist.pattern: ROWCAST_(CAPTURE|KAFKA)_.*
config.providers.file.class: org.apache.kafka.common.config.provider.FileConfigProvider
connector.client.config.override.policy: All
topic.creation.enable: "true"
producer.acks: all
producer.enable.idempotence: "true"
producer.linger.ms: "0"
{{- $kafka := .Values.global.kafka }}
{{- range $client := list "" "producer." "consumer." "admin." }}
{{ . }}reconnect.backoff.ms: "50"
{{ . }}reconnect.backoff.max.ms: "250"
{{- if or $kafka.tls.enabled $kafka.sasl.mechanism }}
{{ . }}security.protocol: {{ include "connect.securityProtocol" $ }}
{{- end }}
{{- if and $kafka.tls.enabled $kafka.tls.caSecret.name }}
{{ . }}ssl.truststore.type: PEM
{{ . }}ssl.truststore.location: /etc/rowcast/kafka/{{ $kafka.tls.caSecret.key }}
{{- end }}
{{- with $kafka.sasl.mechanism }}
{{- $module := ternary "plain.PlainLoginModule" "scram.ScramLoginModule" (eq . "PLAIN") }}
{{ $client }}sasl.mechanism: {{ . }}
{{ $client }}sasl.jaas.config: 'org.apache.kafka.common.security.{{ $module }} required username="${env:ROWCAST_KAFKA_USERNAME}" password="${env:ROWCAST_KAFKA_PASSWORD}";'
{{- end }}
{{- end }}
{{- end -}}

{{- define "connect.securityProtocol" -}}
{{- $kafka := .Values.global.kafka -}}
{{- printf "%s%s" (ternary "SASL_" "" (ne $kafka.sasl.mechanism "")) (ternary "SSL" "PLAINTEXT" $kafka.tls.enabled) -}}
{{- end -}}

{{- define "connect.config" -}}
connect.properties: |
  {{- include "rowcast.properties" (merge (deepCopy .Values.properties) (include "connect.properties" . | fromYaml)) | trim | nindent 2 }}
start.sh: |
  set -eu
  cp /etc/connect/connect.properties /tmp/connect.properties
  # The address that other workers are told.
  echo "rest.advertised.host.name=$POD_IP" >>/tmp/connect.properties
  echo "bootstrap.servers=$ROWCAST_KAFKA_BROKERS" >>/tmp/connect.properties
  exec {{ include "rowcast.java" (dict "heap" .Values.heapMib "main" "org.apache.kafka.connect.cli.ConnectDistributed") }} /tmp/connect.properties
{{- end -}}
