{{/* dict values: what Pod Security `restricted` wants of a pod, and the user whom all images know. */}}
{{- define "rowcast.podSecurityContext" -}}
{{- $restricted := dict "runAsNonRoot" true "runAsUser" 10001 "runAsGroup" 10001 "fsGroup" 10001 "fsGroupChangePolicy" "OnRootMismatch" "seccompProfile" (dict "type" "RuntimeDefault") -}}
{{- toYaml (mergeOverwrite $restricted (deepCopy (.values.podSecurityContext | default dict))) -}}
{{- end -}}

{{- define "rowcast.securityContext" -}}
{{- $restricted := dict "allowPrivilegeEscalation" false "readOnlyRootFilesystem" true "capabilities" (dict "drop" (list "ALL")) -}}
{{- toYaml (mergeOverwrite $restricted (deepCopy (.values.securityContext | default dict))) -}}
{{- end -}}

{{/*
dict root: the pull secrets of all pods, in each of the forms in which they can be given; nothing for none.
*/}}
{{- define "rowcast.pullSecrets" -}}
{{- $secrets := list -}}
{{- range concat .Values.global.imagePullSecrets .Values.global.image.pullSecrets -}}
{{- $secrets = append $secrets (dict "name" (ternary . (get (ternary dict . (kindIs "string" .)) "name") (kindIs "string" .))) -}}
{{- end -}}
{{- with uniq $secrets }}{{ toYaml . }}{{ end -}}
{{- end -}}

{{/* dict chart (a part's own probe), values: the probe with what the values change. Another way to ask takes the place of the chart's. */}}
{{- define "rowcast.probe" -}}
{{- $probe := deepCopy .chart -}}
{{- $values := .values | default dict -}}
{{- if or $values.exec $values.httpGet $values.tcpSocket $values.grpc -}}{{- $probe = omit $probe "exec" "httpGet" "tcpSocket" "grpc" -}}{{- end -}}
{{- toYaml (mergeOverwrite $probe (deepCopy $values)) -}}
{{- end -}}

{{/*
A pod, for every kind of workload. dict:
  root, component, values  the chart's context, the part's name, its values (resources, nodeSelector, …)
  parts                    what is the part's own: command, args, env, ports, probes, volumes, mounts, annotations,
                           labels, serviceAccount, mountToken, grace, preStop, restartPolicy
*/}}
{{- define "rowcast.pod" -}}
{{- $root := .root -}}
{{- $values := .values -}}
{{- $parts := .parts -}}
metadata:
  labels:
    {{- /* No version: what a release leaves as it was, it doesn't restart. */}}
    {{- include "rowcast.mergedLabels" (dict "root" $root "component" .component "given" (mergeOverwrite (deepCopy ($parts.labels | default dict)) ($values.podLabels | default dict))) | nindent 4 }}
  {{- with (mergeOverwrite (deepCopy ($parts.annotations | default dict)) ($values.podAnnotations | default dict)) }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  serviceAccountName: {{ $parts.serviceAccount | default (include "rowcast.serviceAccountName" .) }}
  automountServiceAccountToken: {{ $parts.mountToken | default false }}
  enableServiceLinks: false
  {{- with $parts.restartPolicy }}
  restartPolicy: {{ . }}
  {{- end }}
  {{- with $parts.grace }}
  terminationGracePeriodSeconds: {{ . }}
  {{- end }}
  {{- with include "rowcast.pullSecrets" $root }}
  imagePullSecrets:
    {{- . | nindent 4 }}
  {{- end }}
  {{- with $values.hostAliases }}
  hostAliases:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $values.dnsPolicy }}
  dnsPolicy: {{ . }}
  {{- end }}
  {{- with $values.dnsConfig }}
  dnsConfig:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $values.priorityClassName | default $root.Values.global.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  securityContext:
    {{- include "rowcast.podSecurityContext" . | nindent 4 }}
  {{- with concat ($parts.initContainers | default list) ($values.initContainers | default list) }}
  initContainers:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - name: {{ $parts.container | default .component }}
      image: {{ include "rowcast.image" (dict "root" $root "image" $values.image) }}
      imagePullPolicy: {{ include "rowcast.pullPolicy" (dict "root" $root "image" $values.image) }}
      {{- with $parts.command }}
      command:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $parts.args }}
      args:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- /* What the values say of a variable takes the place of the chart's own word: a name may be there once. */}}
      {{- $own := list }}
      {{- $named := dict }}
      {{- range $values.extraEnv }}{{- $_ := set $named .name true }}{{- end }}
      {{- range $parts.env }}{{- if not (hasKey $named .name) }}{{- $own = append $own . }}{{- end }}{{- end }}
      {{- with concat $own ($values.extraEnv | default list) }}
      env:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $values.extraEnvFrom }}
      envFrom:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $parts.ports }}
      ports:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $parts.startupProbe }}
      startupProbe:
        {{- include "rowcast.probe" (dict "chart" . "values" $values.startupProbe) | nindent 8 }}
      {{- end }}
      {{- with $parts.readinessProbe }}
      readinessProbe:
        {{- include "rowcast.probe" (dict "chart" . "values" $values.readinessProbe) | nindent 8 }}
      {{- end }}
      {{- with $parts.livenessProbe }}
      livenessProbe:
        {{- include "rowcast.probe" (dict "chart" . "values" $values.livenessProbe) | nindent 8 }}
      {{- end }}
      {{- with $parts.lifecycle }}
      lifecycle:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      resources:
        {{- toYaml $values.resources | nindent 8 }}
      securityContext:
        {{- include "rowcast.securityContext" . | nindent 8 }}
      volumeMounts:
        - {name: tmp, mountPath: /tmp}
        {{- with concat ($parts.mounts | default list) ($values.extraVolumeMounts | default list) }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
    {{- with $values.extraContainers }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  volumes:
    - name: tmp
      emptyDir: {sizeLimit: {{ $parts.tmpSize | default "256Mi" }}}
    {{- with concat ($parts.volumes | default list) ($values.extraVolumes | default list) }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with $values.nodeSelector | default $root.Values.global.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $values.tolerations | default $root.Values.global.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $values.affinity | default $root.Values.global.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $values.topologySpreadConstraints | default $root.Values.global.topologySpreadConstraints }}
  topologySpreadConstraints:
    {{- range . }}
    - {{ toYaml (merge (deepCopy .) (dict "labelSelector" (dict "matchLabels" (include "rowcast.selectorLabels" $ | fromYaml)))) | nindent 6 | trim }}
    {{- end }}
  {{- end }}
{{- end -}}
