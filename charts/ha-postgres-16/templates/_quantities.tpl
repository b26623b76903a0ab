{{/* A quantity of Kubernetes, such as 50Mi, 1e3 or 100m, in its base unit. */}}
{{- define "ha-postgres-16.0.0.quantity" -}}
{{- $quantity := toString . -}}
{{- $number := regexFind "^[0-9.]+([eE][-+]?[0-9]+)?" $quantity -}}
{{- $binary := dict "Ki" 1024.0 "Mi" 1048576.0 "Gi" 1073741824.0 "Ti" 1099511627776.0 "Pi" 1125899906842624.0 "Ei" 1152921504606846976.0 -}}
{{- $decimal := dict "" 1.0 "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "P" 1e15 "E" 1e18 "m" 1e-3 "u" 1e-6 "n" 1e-9 -}}
{{- mulf (float64 $number) (get (merge $binary $decimal) (trimPrefix $number $quantity)) -}}
{{- end }}

{{/* What is wrong with sizes and resources, as a list of sentences. */}}
{{- define "ha-postgres-16.0.0.quantityProblems" -}}
{{- $wrong := list -}}
{{- $sizes := dict "walVolume.size" .Values.walVolume.size "shmSize" .Values.shmSize "backup.verify.scratch.size" .Values.backup.verify.scratch.size "import.scratch.size" .Values.import.scratch.size -}}
{{- with .Values.storage -}}
{{- $_ := set $sizes "storage.resources.requests.storage" .resources.requests.storage -}}
{{- end -}}
{{- range $path, $size := $sizes -}}
{{- if $size -}}
{{- $bytes := include "ha-postgres-16.0.0.quantity" $size | float64 -}}
{{- if lt $bytes 1048576.0 -}}
{{- $wrong = append $wrong (printf "%s: %v is less than 1Mi; add its unit, such as Gi" $path $size) -}}
{{- else if ge $bytes 9223372036854775808.0 -}}
{{- $wrong = append $wrong (printf "%s: %v is more than Kubernetes can count, which is less than 8Ei" $path $size) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $all := dict "resources" .Values.resources "failoverResources" .Values.failoverResources "clientResources" .Values.clientResources "backup.resources" .Values.backup.resources "backup.verify.resources" .Values.backup.verify.resources "import.resources" .Values.import.resources -}}
{{- range $value := list "initContainers" "extraContainers" -}}
{{- range $index, $container := get $.Values $value -}}
{{- $_ := set $all (print $value "[" $index "].resources") ($container.resources | default dict) -}}
{{- end -}}
{{- end -}}
{{- range $path, $resources := $all -}}
{{- $limits := $resources.limits | default dict -}}
{{- range $name, $request := $resources.requests -}}
{{- if hasKey $limits $name -}}
{{- $limit := get $limits $name -}}
{{- if gt (include "ha-postgres-16.0.0.quantity" $request | float64) (include "ha-postgres-16.0.0.quantity" $limit | float64) -}}
{{- $wrong = append $wrong (printf "%s.requests.%s: %v is more than the limit, %v" $path $name $request $limit) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $wrong | toJson -}}
{{- end }}
