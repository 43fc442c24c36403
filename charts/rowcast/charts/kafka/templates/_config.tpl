{{/* As the local platform's broker, but for the addresses. */}}
{{- define "kafka.properties" -}}
process.roles: broker,controller
node.id: "1"
controller.quorum.bootstrap.servers: localhost:9093
controller.listener.names: CONTROLLER
listeners: PLAINTEXT://:9092,CONTROLLER://localhost:9093
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
  { cat /etc/kafka/server.properties; echo "advertised.listeners=PLAINTEXT://{{ include "rowcast.name" (dict "root" . "component" "kafka") }}.$POD_NAMESPACE:9092"; } > /tmp/server.properties
  if [ ! -s /var/lib/kafka/log/meta.properties ]; then
      {{ include "rowcast.java" (dict "heap" 128 "main" "kafka.tools.StorageTool") }} \
          format --standalone --cluster-id {{ .Values.clusterId }} --config /tmp/server.properties
  fi
  exec {{ include "rowcast.java" (dict "heap" .Values.heapMib "main" "kafka.Kafka") }} /tmp/server.properties
{{- end -}}
