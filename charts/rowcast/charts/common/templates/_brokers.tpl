{{/* Which broker there is, who captures, and how both are reached. */}}

{{/* What readers are called, to the broker: by itself Dapr takes the application's name, in every namespace that shares the broker. */}}
{{- define "rowcast.broker.consumer" -}}
{{- printf "%s-{appID}" .Values.global.kafka.topicPrefix -}}
{{- end -}}

{{- define "rowcast.broker.kind" -}}
{{- .Values.global.broker.kind -}}
{{- end -}}

{{/* Who reads the database's log: connect or engine. */}}
{{- define "rowcast.capture.kind" -}}
{{- .Values.global.capture.kind | default (ternary "connect" "engine" (eq .Values.global.broker.kind "kafka")) -}}
{{- end -}}

{{/* Whether the broker is one's own. Empty for the included one. */}}
{{- define "rowcast.broker.own" -}}
{{- $broker := get .Values.global .Values.global.broker.kind -}}
{{- if ne (default (get $broker "brokers") (get $broker "address")) "" -}}true{{- end -}}
{{- end -}}

{{/* dict root: host:port. Kafka has addresses with commas between: rowcast.kafka.brokers. */}}
{{- define "rowcast.broker.address" -}}
{{- $kind := .root.Values.global.broker.kind -}}
{{- if eq $kind "kafka" -}}
{{- include "rowcast.kafka.brokers" .root -}}
{{- else -}}
{{- $port := include "rowcast.broker.port" .root -}}
{{- (get .root.Values.global $kind).address | default (printf "%s:%s" (include "rowcast.name" (dict "root" .root "component" $kind)) $port) -}}
{{- end -}}
{{- end -}}

{{/* The port of the included broker. */}}
{{- define "rowcast.broker.port" -}}
{{- get (dict "kafka" "9092" "redis" "6379" "rabbitmq" "5672" "jetstream" "4222") .Values.global.broker.kind -}}
{{- end -}}

{{/* The secret with the login to Redis, RabbitMQ or NATS; empty where one's own wants none. */}}
{{- define "rowcast.broker.secretName" -}}
{{- $kind := .Values.global.broker.kind -}}
{{- $included := ternary "" (include "rowcast.name" (dict "root" . "component" $kind)) (eq (include "rowcast.broker.own" .) "true") -}}
{{- (get .Values.global $kind).existingSecret | default $included -}}
{{- end -}}

{{/* How URLs to it begin. */}}
{{- define "rowcast.broker.scheme" -}}
{{- $kind := .Values.global.broker.kind -}}
{{- $tls := (get .Values.global $kind).tls.enabled -}}
{{- get (dict "redis" (ternary "rediss" "redis" $tls) "rabbitmq" (ternary "amqps" "amqp" $tls) "jetstream" (ternary "tls" "nats" $tls)) $kind -}}
{{- end -}}

{{/* The CA of a broker of one's own, as YAML: name and key of its secret. Nothing for none. */}}
{{- define "rowcast.broker.ca" -}}
{{- $tls := (get .Values.global .Values.global.broker.kind).tls -}}
{{- if and $tls.enabled $tls.caSecret.name -}}
{{- toYaml $tls.caSecret -}}
{{- end -}}
{{- end -}}

{{/* Where a program that asks the broker itself finds it, login and all. */}}
{{- define "rowcast.broker.urlEnv" -}}
{{- $kind := .Values.global.broker.kind -}}
{{- if eq $kind "kafka" }}
{{- $login := include "rowcast.kafka.login" (dict "root" . "user" "rowcast") | fromYaml }}
{{- $scheme := ternary "kafkas" "kafka" .Values.global.kafka.tls.enabled }}
{{- if $login.mechanism }}
{{ include "rowcast.secretEnv" (dict "name" "ROWCAST_BROKER_USERNAME" "secret" $login.secret "key" $login.usernameKey) }}
{{ include "rowcast.secretEnv" (dict "name" "ROWCAST_BROKER_PASSWORD" "secret" $login.secret "key" $login.passwordKey) }}
- {name: ROWCAST_BROKER_URL, value: {{ printf "%s://%s?mechanism=%s" $scheme (include "rowcast.kafka.brokers" .) $login.mechanism | quote }}}
{{- else }}
- {name: ROWCAST_BROKER_URL, value: {{ printf "%s://%s" $scheme (include "rowcast.kafka.brokers" .) | quote }}}
{{- end }}
{{- else if include "rowcast.broker.secretName" . }}
{{ include "rowcast.secretEnv" (dict "name" "ROWCAST_BROKER_URL" "secret" (include "rowcast.broker.secretName" .) "key" (get .Values.global $kind).secretKeys.url) }}
{{- else }}
- {name: ROWCAST_BROKER_URL, value: {{ printf "%s://%s" (include "rowcast.broker.scheme" .) (include "rowcast.broker.address" (dict "root" .)) | quote }}}
{{- end }}
{{- end -}}

{{/*
The sidecar's own trust in the CA of a Redis or a NATS: Dapr's components for them take none, so Go's own way to name
more authorities names them: a folder beside those of the system.
*/}}
{{- define "rowcast.broker.sidecarTrust" -}}
{{- if and (include "rowcast.broker.ca" .) (has .Values.global.broker.kind (list "redis" "jetstream")) -}}
true
{{- end -}}
{{- end -}}

{{/* The volume of that, for pods whose application has no use for it itself. */}}
{{- define "rowcast.broker.sidecarVolume" -}}
{{- if include "rowcast.broker.sidecarTrust" . -}}
{{- include "rowcast.broker.caVolume" . -}}
{{- end -}}
{{- end -}}

{{- define "rowcast.broker.caVolume" -}}
{{- with include "rowcast.broker.ca" . | fromYaml }}
- name: broker-ca
  secret: {secretName: {{ .name }}}
{{- end }}
{{- end -}}

{{- define "rowcast.broker.caMount" -}}
{{- if include "rowcast.broker.ca" . }}
- {name: broker-ca, mountPath: /etc/rowcast/broker, readOnly: true}
{{- end }}
{{- end -}}

{{/* dict root, component: the login that the included Redis, RabbitMQ or NATS wants, made up: for clients also as a URL. */}}
{{- define "rowcast.broker.generatedSecret" -}}
{{- $password := include "rowcast.generated" (dict "root" .root "name" (include "rowcast.name" .) "key" "password") -}}
{{- $keys := (get .root.Values.global .component).secretKeys -}}
apiVersion: v1
kind: Secret
metadata:
  {{- include "rowcast.metadata" . | nindent 2 }}
type: Opaque
data:
  {{ $keys.username }}: {{ "rowcast" | b64enc }}
  {{ $keys.password }}: {{ $password }}
  {{ $keys.url }}: {{ printf "%s://rowcast:%s@%s" (include "rowcast.broker.scheme" .root) ($password | b64dec) (include "rowcast.broker.address" .) | b64enc }}
{{- end -}}

{{/* dict root, component, ports: what the included Redis, RabbitMQ and NATS have alike. */}}
{{- define "rowcast.broker.objects" -}}
---
{{ include "rowcast.service" (dict "root" .root "component" .component "values" .root.Values.service "ports" .ports) }}
---
apiVersion: v1
kind: ConfigMap
metadata:
  {{- include "rowcast.metadata" (dict "root" .root "component" .component) | nindent 2 }}
data:
  {{- include (printf "%s.config" .component) .root | nindent 2 }}
{{- if and (not (get .root.Values.global .component).existingSecret) (include "rowcast.secrets.rendered" .root) }}
---
{{ include "rowcast.broker.generatedSecret" (dict "root" .root "component" .component) }}
{{- end }}
{{- end -}}
