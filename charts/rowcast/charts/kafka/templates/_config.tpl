{{/* As the local platform's broker, but for the addresses. */}}
{{- define "kafka.properties" -}}
process.roles: broker,controller
node.id: "1"
controller.quorum.bootstrap.servers: localhost:9093
controller.listener.names: CONTROLLER
listeners: SASL_PLAINTEXT://:9092,CONTROLLER://localhost:9093
listener.security.protocol.map: CONTROLLER:SASL_PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT
inter.broker.listener.name: SASL_PLAINTEXT
sasl.enabled.mechanisms: PLAIN
sasl.mechanism.inter.broker.protocol: PLAIN
sasl.mechanism.controller.protocol: PLAIN
authorizer.class.name: org.apache.kafka.metadata.authorizer.StandardAuthorizer
allow.everyone.if.no.acl.found: "false"
super.users: User:admin
log.dirs: /var/lib/kafka/log
offsets.topic.replication.factor: "1"
transaction.state.log.replication.factor: "1"
share.coordinator.state.topic.replication.factor: "1"
transaction.state.log.min.isr: "1"
share.coordinator.state.topic.min.isr: "1"
default.replication.factor: "1"
min.insync.replicas: "1"
auto.create.topics.enable: "true"
num.partitions: "6"
offsets.topic.num.partitions: "4"
transaction.state.log.num.partitions: "2"
share.coordinator.state.topic.num.partitions: "2"
group.initial.rebalance.delay.ms: "0"
group.min.session.timeout.ms: "3000"
num.network.threads: "2"
num.io.threads: "4"
background.threads: "2"
num.recovery.threads.per.data.dir: "2"
log.cleaner.threads: "1"
log.index.size.max.bytes: "1048576"
log.segment.bytes: "67108864"
log.cleaner.dedupe.buffer.size: "8388608"
broker.session.timeout.ms: "3000"
broker.heartbeat.interval.ms: "500"
{{- end -}}

{{- define "kafka.config" -}}
server.properties: |
  {{- include "rowcast.properties" (merge (deepCopy .Values.properties) (include "kafka.properties" . | fromYaml)) | trim | nindent 2 }}
start.sh: |
  set -eu
  # The name with the namespace: KEDA asks from another one.
  { cat /etc/kafka/server.properties; echo "advertised.listeners=SASL_PLAINTEXT://{{ include "rowcast.name" (dict "root" . "component" "kafka") }}.$POD_NAMESPACE:9092"; } > /tmp/server.properties
  if [ ! -s /var/lib/kafka/log/meta.properties ]; then
      {{ include "rowcast.java" (dict "heap" 128 "main" "kafka.tools.StorageTool") }} \
          format --standalone --cluster-id {{ .Values.clusterId }} --config /tmp/server.properties
  fi
  umask 077
  plainly() { printf %s "$1" | sed 's/["\\]/\\&/g'; }
  module=org.apache.kafka.common.security.plain.PlainLoginModule
  password=$(plainly "$ADMIN_PASSWORD")
  cat >/tmp/logins.conf <<END
  KafkaServer {
      $module required username="admin" password="$password" user_admin="$password"
      user_connect="$(plainly "$CONNECT_PASSWORD")" user_rowcast="$(plainly "$ROWCAST_PASSWORD")";
  };
  KafkaClient {
      $module required username="admin" password="$password";
  };
  END
  unset ADMIN_PASSWORD CONNECT_PASSWORD ROWCAST_PASSWORD
  printf '%s\n' security.protocol=SASL_PLAINTEXT sasl.mechanism=PLAIN >/tmp/admin.properties
  grant() {
      until {{ include "rowcast.java" (dict "heap" 64 "main" "org.apache.kafka.tools.AclCommand" "logins" "/tmp/logins.conf") }} \
          --bootstrap-controller localhost:9093 --command-config /tmp/admin.properties --add "$@"; do
          sleep 1
      done
  }
  # What is granted already is granted once more, at each start: a restored volume or a new prefix needs nothing else.
  {{- $prefix := .Values.global.kafka.topicPrefix }}
  {{- $ours := printf "--topic %s.sync-status --topic %s.dead-letters" $prefix $prefix }}
  {{- $groups := printf "--group %s-crud" $prefix }}
  {{- range splitList "," (include "rowcast.allTargets" .) }}
  {{- $ours = printf "%s --topic %s.replay.%s" $ours $prefix . }}
  {{- $groups = printf "%s --group %s-sync-%s" $groups $prefix . }}
  {{- end }}
  {
      grant --allow-principal User:connect --operation All --topic {{ $prefix }}.public. --topic {{ $prefix }}.connect- \
          --topic __debezium-heartbeat.{{ $prefix }} --group {{ $prefix }}-connect --resource-pattern-type prefixed
      grant --allow-principal User:rowcast --operation Read --operation Describe --topic {{ $prefix }}.public.app_configs {{ $ours }} {{ $groups }}
      grant --allow-principal User:rowcast --operation Create --topic {{ $prefix }}.public.app_configs
      grant --allow-principal User:rowcast --operation Create --operation Write {{ $ours }}
      {{- if eq (include "rowcast.capture.kind" .) "engine" }}
      # Capture publishes through a sidecar, and all sidecars are one user here.
      grant --allow-principal User:rowcast --operation Write --topic {{ $prefix }}.public.app_configs
      {{- end }}
  } >/tmp/grants.log 2>&1 &
  exec {{ include "rowcast.java" (dict "heap" .Values.heapMib "main" "kafka.Kafka" "logins" "/tmp/logins.conf") }} /tmp/server.properties
{{- end -}}
