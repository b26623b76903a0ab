{{/* What is wrong with `service`, as a list of sentences. */}}
{{- define "[[ prefix ]].serviceProblems" -}}
{{- $wrong := list -}}
{{- with .Values.service -}}
{{- $type := .type -}}
{{- if eq $type "ClusterIP" -}}
{{- range $key, $given := dict "nodePort" .nodePort "externalTrafficPolicy" .externalTrafficPolicy -}}
{{- if $given -}}
{{- $wrong = append $wrong (printf "service.%s: %v is not possible with type ClusterIP; set service.type to NodePort or LoadBalancer" $key $given) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if ne $type "LoadBalancer" -}}
{{- range $key, $given := dict "loadBalancerIP" .loadBalancerIP "loadBalancerClass" .loadBalancerClass "loadBalancerSourceRanges" (join ", " .loadBalancerSourceRanges) -}}
{{- if $given -}}
{{- $wrong = append $wrong (printf "service.%s: %s is not possible with type %s; set service.type to LoadBalancer" $key $given $type) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $wrong | toJson -}}
{{- end }}
