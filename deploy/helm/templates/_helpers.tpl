{{- define "slipway.image" -}}
image: "{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}"
imagePullPolicy: {{ .Values.image.pullPolicy }}
{{- end }}

{{- define "slipway.labels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "slipway.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "slipway.environment" -}}
envFrom:
  - secretRef:
      name: {{ .Values.existingSecret }}
env:
  - name: SLIPWAY_HOME
    value: /var/lib/slipway
  - name: SLIPWAY_URL
    value: {{ .Values.url | quote }}
  # Trainers of this release are reached under the name of a headless Service, on whatever port they listen.
  - name: SLIPWAY_TRAINER_HOST
    value: {{ .Release.Name }}-trainers
  - name: SLIPWAY_TRAINER_BIND
    value: 0.0.0.0
  {{- range $name, $value := .Values.settings }}
  - name: {{ $name }}
    value: {{ $value | quote }}
  {{- end }}
{{- end }}

{{- define "slipway.pod" -}}
automountServiceAccountToken: false
# Kubernetes would set SLIPWAY_... variables of its own for a Service of that name.
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile:
    type: RuntimeDefault
{{- end }}

{{- define "slipway.beside" -}}
# Whoever asks trainer-host does so over a Unix socket on the volume, which ends at a node.
affinity:
  podAffinity:
    requiredDuringSchedulingIgnoredDuringExecution:
      - topologyKey: kubernetes.io/hostname
        labelSelector:
          matchLabels:
            {{- include "slipway.selector" . | nindent 12 }}
            app.kubernetes.io/component: trainer-host
{{- end }}

{{- define "slipway.node" -}}
nodeSelector:
  {{- toYaml .Values.nodeSelector | nindent 2 }}
{{- end }}

{{- define "slipway.container" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
{{- end }}

{{- define "slipway.mounts" -}}
volumeMounts:
  - name: state
    mountPath: /var/lib/slipway
  - name: tmp
    mountPath: /tmp
{{- end }}

{{- define "slipway.volumes" -}}
volumes:
  - name: state
    persistentVolumeClaim:
      claimName: {{ .Values.state.existingClaim | default (printf "%s-state" .Release.Name) }}
  - name: tmp
    emptyDir: {}
{{- end }}
