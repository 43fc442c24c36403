{{/* What the product is called here: in names, and in the label of every object. */}}
{{- define "rowcast.product" -}}
{{- .Values.global.nameOverride | default "rowcast" -}}
{{- end -}}

{{/* The name that every object of the release begins with: the release's own, if it says rowcast already. */}}
{{- define "rowcast.fullname" -}}
{{- if .Values.global.fullnameOverride -}}
{{- .Values.global.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains (include "rowcast.product" .) .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- $product := include "rowcast.product" . | trunc 30 | trimSuffix "-" -}}
{{- printf "%s-%s" (.Release.Name | trunc (sub 39 (len $product) | int) | trimSuffix "-") $product -}}
{{- end -}}
{{- end -}}

{{/* dict root, component: the name of a part's objects. 40 + 1 + 22 characters at most. */}}
{{- define "rowcast.name" -}}
{{- printf "%s-%s" (include "rowcast.fullname" .root) .component | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* What all pods of the release have alike. */}}
{{- define "rowcast.releaseLabels" -}}
app.kubernetes.io/name: {{ include "rowcast.product" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{/* dict root, component: what never changes, so that selectors stay valid over versions. */}}
{{- define "rowcast.selectorLabels" -}}
{{ include "rowcast.releaseLabels" .root }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{/* dict root, component, given (labels by values, beside those that all objects have), own (the chart's): each label once. Values may say of what it is a part; what selectors go by is the chart's. */}}
{{- define "rowcast.mergedLabels" -}}
{{- $selectors := include "rowcast.selectorLabels" . | fromYaml -}}
{{- $given := mergeOverwrite (dict "app.kubernetes.io/part-of" "rowcast") (deepCopy .root.Values.global.commonLabels) (deepCopy (.given | default dict)) -}}
{{- range keys $selectors | sortAlpha -}}
{{- if hasKey $given . -}}{{- fail (printf "\n\nrowcast: labels of your own (global.commonLabels, podLabels and the like) must not have %s: selectors go by the chart's. For another name there is nameOverride.\n" .) -}}{{- end -}}
{{- end -}}
{{- toYaml (mergeOverwrite $given (.own | default dict) $selectors) -}}
{{- end -}}

{{/* dict root, component, labels (beside the chart's): the labels of every object. */}}
{{- define "rowcast.labels" -}}
{{- $own := dict "app.kubernetes.io/version" .root.Chart.AppVersion "app.kubernetes.io/managed-by" .root.Release.Service "helm.sh/chart" (printf "%s-%s" .root.Chart.Name (.root.Chart.Version | replace "+" "_")) -}}
{{- include "rowcast.mergedLabels" (dict "root" .root "component" .component "given" .labels "own" $own) -}}
{{- end -}}

{{/* dict root, component, labels (beside the chart's), annotations: metadata without a namespace of its own is the release's; said, for `kubectl apply`. */}}
{{- define "rowcast.metadata" -}}
name: {{ .name | default (include "rowcast.name" .) }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "rowcast.labels" . | nindent 2 }}
{{- with .annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* dict root, component: the host name of a part's service, for clients in any namespace. */}}
{{- define "rowcast.host" -}}
{{- printf "%s.%s" (include "rowcast.name" .) .root.Release.Namespace -}}
{{- end -}}
