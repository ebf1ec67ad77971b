{{- /* Made by `npm run chart` from k8s/base and k8s/components; change those. */ -}}{{- define "muster.natsConfig" -}}
nats.conf: |
{{- if gt (int .Values.nats.replicas) 1 }}
  server_name: $POD_NAME
  listen: 0.0.0.0:4222
  # For the kubelet's probes: the network policy lets nobody else in.
  http: 0.0.0.0:8222
  # Users come from a Secret.
  include "../nats-users/users.conf"
  max_payload: 1MB
  max_pending: 64MB
  lame_duck_grace_period: 10s
  lame_duck_duration: 30s
  jetstream {
    store_dir: /data
    # Less than the volume: a server whose disk is full stands still.
    max_file_store: {{ .Values.nats.maxFileStore }}
    max_memory_store: 256MB
  }
  cluster {
    name: muster
    listen: 0.0.0.0:6222
    # Who may join, and the routes, with their password.
    include "../nats-users/cluster-routes.conf"
  }
{{- else }}
  # One server; a cluster of one would wait for the others for ever.
  server_name: $POD_NAME
  listen: 0.0.0.0:4222
  http: 0.0.0.0:8222
  include "../nats-users/users.conf"
  max_payload: 1MB
  max_pending: 64MB
  jetstream {
    store_dir: /data
    max_file_store: {{ .Values.nats.maxFileStore }}
    max_memory_store: 64MB
  }
{{- end }}
{{- end }}
