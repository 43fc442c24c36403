{{/* dict root, image: registry/repository:tag, or @digest. What the image leaves open comes from global.image. */}}
{{- define "rowcast.image" -}}
{{- $global := .root.Values.global.image -}}
{{- $image := .image | default dict -}}
{{- $repository := $image.repository | default $global.services -}}
{{- $registry := .root.Values.global.imageRegistry | default $image.registry | default $global.registry -}}
{{- $name := ternary (printf "%s/%s" $registry $repository) $repository (ne $registry "") -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $name $image.digest -}}
{{- else -}}
{{- printf "%s:%s" $name ($image.tag | default $global.tag | default .root.Chart.AppVersion) -}}
{{- end -}}
{{- end -}}

{{/* dict root, image */}}
{{- define "rowcast.pullPolicy" -}}
{{- (.image | default dict).pullPolicy | default .root.Values.global.image.pullPolicy -}}
{{- end -}}
