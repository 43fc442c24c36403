{{/* Peers and ports of NetworkPolicies. A policy sees the pods' own ports, behind any Service. */}}

{{/* dict root, components: pods of this release. */}}
{{- define "rowcast.network.parts" -}}
- podSelector:
    matchLabels:
      {{- include "rowcast.releaseLabels" .root | nindent 6 }}
    matchExpressions:
      - {key: app.kubernetes.io/component, operator: In, values: {{ toJson .components }}}
{{- end -}}

{{- define "rowcast.network.namespace" -}}
- namespaceSelector:
    matchLabels: {kubernetes.io/metadata.name: {{ . }}}
{{- end -}}

{{- define "rowcast.network.cidrs" -}}
{{- range . }}
- ipBlock: {cidr: {{ . }}}
{{- end }}
{{- end -}}

{{/* a list of ports */}}
{{- define "rowcast.network.tcp" -}}
{{- range . }}
- {protocol: TCP, port: {{ . }}}
{{- end }}
{{- end -}}

{{/* dict root, components, port, external (whether it is one's own): the way to another part. */}}
{{- define "rowcast.network.to" -}}
- to:
    {{- if .external }}
    {{- include "rowcast.network.cidrs" .root.Values.networkPolicies.external.cidrs | nindent 4 }}
    {{- else }}
    {{- include "rowcast.network.parts" . | nindent 4 }}
    {{- end }}
  ports:
    {{- include "rowcast.network.tcp" .ports | nindent 4 }}
{{- end -}}

{{- define "rowcast.network.from" -}}
- from:
    {{- include "rowcast.network.parts" . | nindent 4 }}
  ports:
    {{- include "rowcast.network.tcp" .ports | nindent 4 }}
{{- end -}}

{{/* dict root, name, components, ingress, egress (texts), closed: adds to what the pods may; closed, it takes all else away. */}}
{{- define "rowcast.networkPolicy" -}}
{{- $types := list -}}
{{- if or .ingress .closed -}}{{- $types = append $types "Ingress" -}}{{- end -}}
{{- /* Without a policy that closes it, the way out is open: then there is nothing to add. */ -}}
{{- if and (or .egress .closed) .root.Values.networkPolicies.egress -}}{{- $types = append $types "Egress" -}}{{- end -}}
{{- if $types }}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ include "rowcast.fullname" .root }}-{{ .name }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "rowcast.labels" (dict "root" .root "component" "network") | nindent 4 }}
spec:
  podSelector:
    matchLabels:
      {{- include "rowcast.releaseLabels" .root | nindent 6 }}
    {{- with .components }}
    matchExpressions:
      - {key: app.kubernetes.io/component, operator: In, values: {{ toJson . }}}
    {{- end }}
  policyTypes: {{ toJson $types }}
  {{- with .ingress }}
  ingress:
    {{- . | nindent 4 }}
  {{- end }}
  {{- with .egress }}
  egress:
    {{- . | nindent 4 }}
  {{- end }}
{{ end -}}
{{- end -}}

{{/* The port of a URL or of host:port; what the scheme means if none is said. */}}
{{- define "rowcast.network.port" -}}
{{- $found := regexFind ":[0-9]+(/|$)" (regexReplaceAll "^[a-z]+://([^@/]*@)?" . "") -}}
{{- if $found -}}{{- trimAll ":/" $found -}}
{{- else if hasPrefix "https://" . -}}443
{{- else if hasPrefix "http://" . -}}80
{{- else -}}22
{{- end -}}
{{- end -}}

{{- define "rowcast.network.dnsPorts" -}}
{{- $ports := list -}}
{{- range . -}}{{- $ports = append $ports (printf "{protocol: UDP, port: %v}, {protocol: TCP, port: %v}" . .) -}}{{- end -}}
{{- join ", " $ports -}}
{{- end -}}

{{/* Whether KEDA asks the broker for what waits, of any target. Empty for no. */}}
{{- define "rowcast.usesKeda" -}}
{{- /* A part that is not installed has no values but that. */ -}}
{{- $engines := list (((.Values.sync).k8s).autoscaling).engine -}}
{{- range include "rowcast.namedTargets" . | fromYaml -}}
{{- $engines = append $engines (((.sync | default dict).autoscaling | default dict).engine | default "") -}}
{{- end -}}
{{- if has "keda" $engines -}}true{{- end -}}
{{- end -}}
