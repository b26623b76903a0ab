"""Small objects and values of other systems, as people have them."""

from __future__ import annotations

KUBEDB_08 = """\
apiVersion: kubedb.com/v1alpha1
kind: Postgres
metadata:
  name: p1
  namespace: demo
spec:
  version: 9.6
  replicas: 2
  standbyMode: hot
  archiver:
    storage:
      storageSecretName: s3-secret
      s3: {bucket: kubedb}
  databaseSecret: {secretName: p1-auth}
  storage:
    storageClassName: standard
    accessModes: [ReadWriteOnce]
    resources: {requests: {storage: 50Mi}}
  nodeSelector: {disktype: ssd}
  init:
    scriptSource:
      scriptPath: data.sql
      gitRepo: {repository: "https://git.example.org/scripts.git"}
  backupSchedule:
    cronExpression: "@every 6h"
    storageSecretName: gcs-secret
    gcs: {bucket: restic, prefix: demo}
    resources: {requests: {memory: 64Mi, cpu: 250m}}
  doNotPause: true
  monitor:
    agent: prometheus.io/coreos-operator
    prometheus: {namespace: demo, labels: {app: kubedb}, interval: 10s}
  resources: {requests: {memory: 64Mi, cpu: 250m}, limits: {memory: 128Mi, cpu: 500m}}
"""

KUBEDB_V1ALPHA2 = """\
apiVersion: kubedb.com/v1alpha2
kind: Postgres
metadata: {name: stock, namespace: demo}
spec:
  version: timescaledb-2.14.2-pg13
  replicas: 1
  streamingMode: Synchronous
  storageType: Ephemeral
  authSecret: {name: stock-auth}
  sslMode: require
  clientAuthMode: scram
  coordinator: {resources: {requests: {cpu: 100m}}}
  configSecret: {name: stock-config}
  halted: true
  podTemplate:
    metadata: {annotations: {example.com/pass: "1"}}
    spec:
      resources: {requests: {cpu: 500m}}
      imagePullSecrets: [{name: registry}]
      env: [{name: TZ, value: Europe/Berlin}]
      serviceAccountName: stock
      args: [-c, work_mem=4MB]
  init: {script: {configMap: {name: stock-sql}}}
  terminationPolicy: WipeOut
"""

KUBEDB_V1 = """\
apiVersion: v1
kind: List
metadata: {resourceVersion: ""}
items:
- apiVersion: kubedb.com/v1
  kind: Postgres
  metadata:
    name: orders
    namespace: shop
    uid: 0b0c2f9e-0000-4000-8000-000000000000
    resourceVersion: "4711"
    generation: 3
    creationTimestamp: "2026-01-01T00:00:00Z"
    finalizers: [kubedb.com/postgres]
    labels: {team: orders, app.kubernetes.io/managed-by: kubedb.com}
    annotations: {kubectl.kubernetes.io/last-applied-configuration: "{}"}
  spec:
    version: "16.4"
    replicas: 3
    standbyMode: Hot
    streamingMode: Synchronous
    sslMode: verify-full
    tls:
      issuerRef: {apiGroup: cert-manager.io, kind: Issuer, name: ca}
      certificates: [{alias: server, subject: {organizations: [kubedb]}}]
    clientAuthMode: md5
    storageType: Durable
    storage: {storageClassName: fast, accessModes: [ReadWriteOnce], resources: {requests: {storage: 10Gi}}}
    authSecret: {kind: Secret, name: orders-auth, activeFrom: "2026-01-01T00:00:00Z"}
    podTemplate:
      controller: {}
      metadata: {}
      spec:
        containers:
        - name: postgres
          resources: {requests: {cpu: 500m, memory: 1Gi}, limits: {memory: 1Gi}}
          env: [{name: TZ, value: Europe/Berlin}]
          securityContext: {runAsUser: 70, capabilities: {drop: [ALL]}}
        - {name: pg-coordinator, resources: {limits: {memory: 256Mi}}}
        initContainers: [{name: postgres-init-container, resources: {limits: {memory: 256Mi}}}]
        nodeSelector: {disk: ssd}
        securityContext: {fsGroup: 70}
    serviceTemplates:
    - {alias: primary, metadata: {annotations: {example.com/dns: orders}}, spec: {type: LoadBalancer, ports: [{name: primary, port: 5432}]}}
    - {alias: standby, metadata: {annotations: {example.com/dns: orders-ro}}}
    monitor:
      agent: prometheus.io/operator
      prometheus: {exporter: {port: 56790, resources: {}}, serviceMonitor: {interval: 10s, labels: {release: prom}}}
    healthChecker: {failureThreshold: 1, periodSeconds: 10, timeoutSeconds: 10}
    leaderElection: {maximumLagBeforeFailover: 67108864, electionTick: 10, heartbeatTick: 1, period: 300ms}
    replication: {walLimitPolicy: WALKeepSize, walKeepSize: 1024, maxSlotWALKeepSize: 4096}
    mode: Cluster
    deletionPolicy: DoNotTerminate
    allowedSchemas: {namespaces: {from: Same}}
  status:
    phase: Ready
    conditions: [{type: Ready, status: "True"}]
"""

EXAMPLES = {"kubedb-0.8": KUBEDB_08, "kubedb-v1alpha2": KUBEDB_V1ALPHA2, "kubedb-v1": KUBEDB_V1}
