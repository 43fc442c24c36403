{{/* How a part is reached from outside the cluster: by an Ingress, by a Gateway, or by both. */}}

{{/* dict path, under (what all paths begin with, or nothing), value: the path; all of it is what is under there. */}}
{{- define "rowcast.door.path" -}}
{{- $under := .under | default "" -}}
{{- if and $under (eq .path "/") -}}{{ $under }}
{{- else if or (not $under) (eq .path $under) (hasPrefix (printf "%s/" $under) .path) -}}{{ .path }}
{{- else -}}{{- fail (printf "\n\nrowcast: %s has the path %s: it has to be %s or below; all else is for the sidecar, the probes and the metrics.\n" .value .path $under) -}}
{{- end -}}
{{- end -}}

{{/* dict root, component, values (of options/ingress.yaml), port (the name of the Service's), value (its place among the values), under (as in rowcast.door.path): an Ingress. */}}
{{- define "rowcast.ingress" -}}
{{- $service := include "rowcast.name" . -}}
{{- $whole := list (dict "path" "/") -}}
{{- $hosts := .values.hosts -}}
{{- $tls := .values.tls -}}
{{- if .values.host -}}
{{- $hosts = prepend $hosts (dict "host" .values.host "paths" (list (dict "path" .values.path))) -}}
{{- if .values.tlsSecret -}}{{- $tls = prepend $tls (dict "hosts" (list .values.host) "secretName" .values.tlsSecret) -}}{{- end -}}
{{- else if not $hosts -}}
{{- fail (printf "\n\nrowcast: %s.enabled needs %s.host, or %s.hosts: the name that people type.\n" .value .value .value) -}}
{{- end -}}
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  {{- include "rowcast.metadata" (dict "root" .root "component" .component "labels" .values.labels "annotations" .values.annotations) | nindent 2 }}
spec:
  {{- with .values.className }}
  ingressClassName: {{ . }}
  {{- end }}
  rules:
    {{- range $hosts }}
    - host: {{ .host | quote }}
      http:
        paths:
          {{- range .paths | default $whole }}
          - path: {{ include "rowcast.door.path" (dict "path" .path "under" $.under "value" $.value) }}
            pathType: {{ .pathType | default "Prefix" }}
            backend:
              service:
                name: {{ $service }}
                port: {name: {{ $.port }}}
          {{- end }}
    {{- end }}
  {{- with $tls }}
  tls:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}

{{/* dict root, component, values (of options/http-route.yaml), port (the number of the Service's), value (its place among the values), under (as in rowcast.door.path): an HTTPRoute of the Gateway API. */}}
{{- define "rowcast.httpRoute" -}}
{{- if not .values.parentRefs -}}
{{- fail (printf "\n\nrowcast: %s.enabled needs %s.parentRefs: the Gateways that it is reached through.\n" .value .value) -}}
{{- end -}}
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata:
  {{- include "rowcast.metadata" (dict "root" .root "component" .component "labels" .values.labels "annotations" .values.annotations) | nindent 2 }}
spec:
  parentRefs:
    {{- toYaml .values.parentRefs | nindent 4 }}
  {{- with .values.hostnames }}
  hostnames:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  rules:
    {{- with .values.additionalRules }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
    - matches:
        {{- /* No match at all is what is under the door, not all there is. */}}
        {{- range .values.matches | default (list dict) }}
        {{- $match := deepCopy . }}
        {{- if $.under }}
        {{- $path := .path | default dict }}
        {{- $type := $path.type | default "PathPrefix" }}
        {{- if eq $type "RegularExpression" }}{{- fail (printf "\n\nrowcast: %s.matches has a regular expression for a path: name paths from %s on.\n" $.value $.under) }}{{- end }}
        {{- $_ := set $match "path" (dict "type" $type "value" (include "rowcast.door.path" (dict "path" ($path.value | default "/") "under" $.under "value" $.value))) }}
        {{- end }}
        {{- list $match | toYaml | nindent 8 }}
        {{- end }}
      {{- with .values.filters }}
      filters:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      backendRefs:
        - name: {{ include "rowcast.name" . }}
          port: {{ .port }}
{{- end -}}
