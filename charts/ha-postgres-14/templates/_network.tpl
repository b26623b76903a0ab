{{/* What is wrong with `service`, as a list of sentences. */}}
{{- define "ha-postgres-14.0.0.serviceProblems" -}}
{{- $wrong := list -}}
{{- with .Values.service -}}
{{- $forbidden := list -}}
{{- $needed := "NodePort or LoadBalancer" -}}
{{- if eq .type "ClusterIP" -}}
{{- range $key, $given := dict "nodePort" .nodePort "externalTrafficPolicy" .externalTrafficPolicy -}}
{{- if $given -}}
{{- $forbidden = append $forbidden $key -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if ne .type "LoadBalancer" -}}
{{- range $key, $given := dict "loadBalancerIP" .loadBalancerIP "loadBalancerClass" .loadBalancerClass "loadBalancerSourceRanges" .loadBalancerSourceRanges -}}
{{- if $given -}}
{{- $forbidden = append $forbidden $key -}}
{{- $needed = "LoadBalancer" -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if $forbidden -}}
{{- $wrong = append $wrong (printf "service.type: %s has no %s; set it to %s, or remove what it does not have" .type (join ", " $forbidden) $needed) -}}
{{- end -}}
{{- end -}}
{{- $wrong | toJson -}}
{{- end }}
