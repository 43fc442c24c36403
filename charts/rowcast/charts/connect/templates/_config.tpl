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
config.providers: env
config.providers.env.class: org.apache.kafka.common.config.provider.EnvVarConfigProvider
config.providers.env.param.allowlist.pattern: ROWCAST_(CAPTURE|KAFKA)_.*
connector.client.config.override.policy: Allowlist
connector.client.config.override.allowlist: acks,enable.idempotence,linger.ms
rest.extension.classes: org.apache.kafka.connect.rest.basic.auth.extension.BasicAuthSecurityRestExtension
topic.creation.enable: "true"
producer.acks: all
producer.enable.idempotence: "true"
producer.linger.ms: "0"
{{- $kafka := .Values.global.kafka }}
{{- $mechanism := (include "rowcast.kafka.login" (dict "root" . "user" "connect") | fromYaml).mechanism }}
{{- range $client := list "" "producer." "consumer." "admin." }}
{{ . }}reconnect.backoff.ms: "50"
{{ . }}reconnect.backoff.max.ms: "250"
{{- if or $kafka.tls.enabled $mechanism }}
{{ . }}security.protocol: {{ include "connect.securityProtocol" $ }}
{{- end }}
{{- if and $kafka.tls.enabled $kafka.tls.caSecret.name }}
{{ . }}ssl.truststore.type: PEM
{{ . }}ssl.truststore.location: /etc/rowcast/kafka/{{ $kafka.tls.caSecret.key }}
{{- end }}
{{- with $mechanism }}
{{- $module := ternary "plain.PlainLoginModule" "scram.ScramLoginModule" (eq . "PLAIN") }}
{{ $client }}sasl.mechanism: {{ . }}
{{ $client }}sasl.jaas.config: 'org.apache.kafka.common.security.{{ $module }} required username="${env:ROWCAST_KAFKA_USERNAME}" password="${env:ROWCAST_KAFKA_PASSWORD}";'
{{- end }}
{{- end }}
{{- end -}}

{{- define "connect.securityProtocol" -}}
{{- $login := include "rowcast.kafka.login" (dict "root" . "user" "connect") -}}
{{- printf "%s%s" (ternary "SASL_" "" (ne $login "")) (ternary "SSL" "PLAINTEXT" .Values.global.kafka.tls.enabled) -}}
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
  # Who may use the REST interface, in Java's properties, where a letter behind a backslash may be special and nothing else.
  plainly() { printf %s "$1" | sed 's/[^A-Za-z0-9]/\\&/g'; }
  umask 077
  printf '%s=%s\n' "$(plainly "$ROWCAST_CONNECT_USERNAME")" "$(plainly "$ROWCAST_CONNECT_PASSWORD")" >/tmp/logins.properties
  printf %s "$ROWCAST_CONNECT_USERNAME:$ROWCAST_CONNECT_PASSWORD" | base64 -w 0 >/tmp/login
  # No connector's configuration has a use for it.
  unset ROWCAST_CONNECT_USERNAME ROWCAST_CONNECT_PASSWORD
  exec {{ include "rowcast.java" (dict "heap" .Values.heapMib "main" "org.apache.kafka.connect.cli.ConnectDistributed" "logins" "/etc/connect/logins.conf") }} /tmp/connect.properties
logins.conf: |
  KafkaConnect {
      org.apache.kafka.connect.rest.basic.auth.extension.PropertyFileLoginModule required
      file="/tmp/logins.properties";
  };
healthy.sh: |
  # Asks with the login: /health wants it as well. (By bash, which can connect.)
  exec 3<>/dev/tcp/127.0.0.1/8083 || exit
  printf 'GET /health HTTP/1.0\r\nAuthorization: Basic %s\r\n\r\n' "$(cat /tmp/login)" >&3
  read -r _ status _ <&3
  [ "$status" = 200 ]
{{- end -}}
