{{/* As rowcast.pod, and the pods' account if it is their own; parts also has strategy. `replicas` "" leaves the number to an autoscaler. */}}
{{- define "rowcast.deployment" -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  {{- include "rowcast.metadata" . | nindent 2 }}
spec:
  {{- if not (kindIs "string" .replicas) }}
  replicas: {{ .replicas }}
  {{- end }}
  revisionHistoryLimit: 3
  strategy:
    {{- toYaml (.parts.strategy | default (dict "type" "RollingUpdate" "rollingUpdate" (dict "maxUnavailable" 0 "maxSurge" 1))) | nindent 4 }}
  selector:
    matchLabels:
      {{- include "rowcast.selectorLabels" . | nindent 6 }}
  template:
    {{- include "rowcast.pod" . | nindent 4 }}
{{- include "rowcast.serviceAccount" . }}
{{- end -}}

{{/* As rowcast.deployment; parts also has persistence (a part's values) and claim (the volume's name). */}}
{{- define "rowcast.statefulSet" -}}
{{- $persistence := .values.persistence -}}
{{- if and $persistence.existingClaim (not $persistence.enabled) -}}{{- fail (printf "\n\nrowcast: %s.persistence.existingClaim needs %s.persistence.enabled=true: without it nothing is kept, in that claim or elsewhere.\n" .component .component) -}}{{- end -}}
{{- $made := and $persistence.enabled (not $persistence.existingClaim) -}}
{{- if not $made -}}
{{- $volume := ternary (dict "persistentVolumeClaim" (dict "claimName" $persistence.existingClaim)) (dict "emptyDir" dict) $persistence.enabled -}}
{{- $_ := set .parts "volumes" (append (.parts.volumes | default list) (set $volume "name" .parts.claim)) -}}
{{- end -}}
apiVersion: apps/v1
kind: StatefulSet
metadata:
  {{- include "rowcast.metadata" . | nindent 2 }}
spec:
  replicas: 1
  revisionHistoryLimit: 3
  serviceName: {{ include "rowcast.name" . }}
  selector:
    matchLabels:
      {{- include "rowcast.selectorLabels" . | nindent 6 }}
  template:
    {{- include "rowcast.pod" . | nindent 4 }}
  {{- if $made }}
  volumeClaimTemplates:
    - apiVersion: v1
      kind: PersistentVolumeClaim
      metadata:
        name: {{ .parts.claim }}
        labels:
          {{- include "rowcast.selectorLabels" . | nindent 10 }}
        {{- with $persistence.annotations }}
        annotations:
          {{- toYaml . | nindent 10 }}
        {{- end }}
      spec:
        accessModes: {{ toJson $persistence.accessModes }}
        {{- with $persistence.storageClass | default .root.Values.global.storageClass }}
        storageClassName: {{ . }}
        {{- end }}
        resources:
          requests: {storage: {{ $persistence.size }}}
  {{- end }}
{{- include "rowcast.serviceAccount" . }}
{{- end -}}

{{/*
As rowcast.pod. The name ends with a hash of the pod: a job can't be changed, and one that is the same need not run
again. It is no hook, since what it waits for comes with the same release.
*/}}
{{- define "rowcast.job" -}}
{{- $pod := include "rowcast.pod" . -}}
{{- /* Labels and annotations too, which can't be changed either; none of them changes with every release of the chart. */ -}}
{{- $hash := $pod | fromYaml | toJson | sha256sum | trunc 8 -}}
apiVersion: batch/v1
kind: Job
metadata:
  {{- include "rowcast.metadata" (set . "name" (printf "%s-%s" (include "rowcast.name" .) $hash)) | nindent 2 }}
spec:
  backoffLimit: {{ .values.backoffLimit }}
  {{- if not (kindIs "invalid" .root.Values.global.jobs.ttlSecondsAfterFinished) }}
  ttlSecondsAfterFinished: {{ .root.Values.global.jobs.ttlSecondsAfterFinished }}
  {{- end }}
  template:
    {{- $pod | nindent 4 }}
{{- end -}}

{{/* dict root, component, ports (list), values (type and annotations, if there are any). None is headless: a name that resolves while no pod is ready is refused quickly and tried again; one that doesn't ends Connect and sidecars. */}}
{{- define "rowcast.service" -}}
{{- $values := .values | default dict -}}
apiVersion: v1
kind: Service
metadata:
  {{- include "rowcast.metadata" (dict "root" .root "component" .component "annotations" $values.annotations) | nindent 2 }}
spec:
  type: {{ $values.type | default "ClusterIP" }}
  {{- with .sessionAffinity }}
  sessionAffinity: {{ . }}
  {{- end }}
  selector:
    {{- include "rowcast.selectorLabels" . | nindent 4 }}
  ports:
    {{- toYaml .ports | nindent 4 }}
{{- end -}}

{{/* dict root, component, values: whom the pods are to the API server: an account of the part's, one that is there already, or nobody in particular. */}}
{{- define "rowcast.serviceAccountName" -}}
{{- $account := .values.serviceAccount | default dict -}}
{{- $account.name | default (ternary (include "rowcast.name" .) "default" ($account.create | default false)) -}}
{{- end -}}

{{/* dict root, component, values: an identity of its own, which opens nothing by itself; with the line that parts it from what is before. */}}
{{- define "rowcast.serviceAccount" -}}
{{- with .values.serviceAccount -}}
{{- if .create }}
---
apiVersion: v1
kind: ServiceAccount
metadata:
  {{- include "rowcast.metadata" (dict "root" $.root "component" $.component "name" (include "rowcast.serviceAccountName" $) "annotations" .annotations) | nindent 2 }}
automountServiceAccountToken: false
{{- end }}
{{- end -}}
{{- end -}}

{{/* dict component, values: that there can be as many pods as there have to be. */}}
{{- define "rowcast.checkScaling" -}}
{{- if gt (int .values.minReplicas) (int .values.maxReplicas) -}}{{- fail (printf "\n\nrowcast: autoscaling of %s has minReplicas=%v and maxReplicas=%v: at least as many as the fewest.\n" .component .values.minReplicas .values.maxReplicas) -}}{{- end -}}
{{- end -}}

{{/* dict root, component, values (enabled, minReplicas, maxReplicas, targetCpuPercent): it looks at the part's own container, not at its sidecar. */}}
{{- define "rowcast.horizontalPodAutoscaler" -}}
{{- include "rowcast.checkScaling" . -}}
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  {{- include "rowcast.metadata" (omit . "values") | nindent 2 }}
spec:
  scaleTargetRef:
    apiVersion: apps/v1
    kind: Deployment
    name: {{ include "rowcast.name" . }}
  minReplicas: {{ .values.minReplicas }}
  maxReplicas: {{ .values.maxReplicas }}
  metrics:
    - type: ContainerResource
      containerResource:
        container: {{ .component }}
        name: cpu
        target: {type: Utilization, averageUtilization: {{ .values.targetCpuPercent }}}
  # Each pod that goes stops something for a moment: partitions, or somebody's page.
  behavior:
    scaleDown: {stabilizationWindowSeconds: 600}
{{- end -}}

{{/* dict root, component, values: only where there is more than one pod to keep. */}}
{{- define "rowcast.podDisruptionBudget" -}}
{{- if .values.podDisruptionBudget.enabled }}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  {{- include "rowcast.metadata" . | nindent 2 }}
spec:
  maxUnavailable: {{ .values.podDisruptionBudget.maxUnavailable }}
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels:
      {{- include "rowcast.selectorLabels" . | nindent 6 }}
{{- end }}
{{- end -}}

{{/* A folder of a volume: waits, in a start script, until nobody else uses it. A pod that was deleted by force may still
     be going on the node when the next one starts, and two servers on one volume lose data. The lock is this shell's and
     its children's; it goes with the last of them. */}}
{{- define "rowcast.alone" -}}
exec 9>"{{ . }}/.lock"
flock --nonblock 9 || { echo "another pod still has {{ . }}: waiting for its end" >&2; flock 9; }
{{- end -}}
