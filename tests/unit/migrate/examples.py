"""Small objects and values of other systems, as people have them."""

from __future__ import annotations

from tests.unit.migrate import rest

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
  init: {initialized: true, script: {configMap: {name: stock-sql}, scriptPath: a.sql}}
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
          args: [-c, work_mem=8MB]
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

CLOUDNATIVE_PG = """\
apiVersion: postgresql.cnpg.io/v1
kind: Cluster
metadata:
  name: orders
  namespace: shop
  uid: 0b0c2f9e-0000-4000-8000-000000000000
  resourceVersion: "4711"
  labels: {team: orders, cnpg.io/reload: ""}
  annotations: {example.com/owner: shop}
spec:
  description: Orders
  imageName: registry.example.com/postgresql:16.4-bookworm
  imagePullPolicy: IfNotPresent
  imagePullSecrets: [{name: registry}]
  instances: 3
  minSyncReplicas: 1
  maxSyncReplicas: 1
  enableSuperuserAccess: true
  superuserSecret: {name: orders-superuser}
  inheritedMetadata: {labels: {cost: "17"}, annotations: {example.com/a: b}}
  postgresql:
    parameters:
      max_connections: "200"
      shared_buffers: 1GB
      archive_mode: "on"
      log_directory: /controller/log
      shared_preload_libraries: ""
      pg_stat_statements.max: "10000"
      ssl_ca_file: /controller/ca.crt
      wal_log_hints: "on"
    shared_preload_libraries: [pg_stat_statements, timescaledb]
    pg_hba:
    - host reporting reporting 10.0.0.0/8 scram-sha-256
    - local all all peer
    pg_ident: [a b c]
    synchronous: {method: any, number: 1, dataDurability: preferred, standbyNamesPre: [dr]}
    enableAlterSystem: true
  replicationSlots: {highAvailability: {enabled: true}}
  bootstrap:
    initdb:
      database: orders
      owner: orders
      secret: {name: orders-login}
      encoding: UTF8
      localeCollate: C
      dataChecksums: true
      walSegmentSize: 32
      postInitSQL: [CREATE DATABASE reports]
      postInitApplicationSQL: [CREATE EXTENSION pg_trgm;]
      postInitApplicationSQLRefs: {configMapRefs: [{name: sql, key: a.sql}]}
  managed:
    roles:
    - name: reader
      ensure: present
      login: true
      inRoles: [pg_read_all_data]
      connectionLimit: 5
      comment: reads
      passwordSecret: {name: reader}
    - {name: postgres, login: true}
    - {name: orders, login: true, passwordSecret: {name: orders-login}}
    - {name: writer, color: blue}
    services: {disabledDefaultServices: [ro]}
  storage: {size: 20Gi, storageClass: fast, resizeInUseVolumes: true}
  walStorage: {size: 5Gi, storageClass: faster}
  tablespaces: [{name: cold, storage: {size: 1Gi}}]
  resources: {requests: {cpu: "1", memory: 4Gi}, limits: {memory: 4Gi}}
  priorityClassName: high
  affinity:
    enablePodAntiAffinity: true
    podAntiAffinityType: required
    topologyKey: topology.kubernetes.io/zone
    nodeSelector: {disk: ssd}
    tolerations: [{key: db, operator: Exists, effect: NoSchedule}]
    nodeAffinity:
      requiredDuringSchedulingIgnoredDuringExecution:
        nodeSelectorTerms: [{matchExpressions: [{key: kind, operator: In, values: [db]}]}]
  topologySpreadConstraints:
  - {maxSkew: 1, topologyKey: rack, whenUnsatisfiable: ScheduleAnyway, labelSelector: {matchLabels: {cnpg.io/cluster: orders}}}
  ephemeralVolumesSizeLimit: {shm: 1Gi, temporaryData: 2Gi}
  certificates: {serverTLSSecret: orders-tls, serverCASecret: orders-ca}
  backup:
    retentionPolicy: 2w
    target: prefer-standby
    barmanObjectStore:
      destinationPath: s3://backups/cnpg/
      endpointURL: https://minio.storage:9000
      s3Credentials:
        accessKeyId: {name: s3, key: AWS_ACCESS_KEY_ID}
        secretAccessKey: {name: s3, key: AWS_SECRET_ACCESS_KEY}
        region: {name: s3, key: REGION}
      wal: {compression: zstd, maxParallel: 4}
      data: {compression: bzip2, jobs: 2}
  monitoring: {enablePodMonitor: true, customQueriesConfigMap: [{name: queries, key: q}]}
  env: [{name: TZ, value: Europe/Berlin}, {name: PGDATA, value: /x}]
  envFrom: [{configMapRef: {name: more}}]
  serviceAccountTemplate: {metadata: {annotations: {example.com/role: db}}}
  stopDelay: 1800
  switchoverDelay: 3600
  primaryUpdateStrategy: unsupervised
  primaryUpdateMethod: restart
  logLevel: info
  enablePDB: true
status:
  phase: Cluster in healthy state
  instances: 3
"""

CLOUDNATIVE_PG_SMALL = """\
apiVersion: postgresql.cnpg.io/v1
kind: Cluster
metadata: {name: small}
spec:
  instances: 1
  minSyncReplicas: 1
  podSecurityContext: {fsGroup: 26}
  storage: {size: 1Gi}
  certificates: {serverAltDNSNames: [db.example.org]}
  backup:
    barmanObjectStore:
      destinationPath: https://account.blob.core.windows.net/backups/a
      azureCredentials: {connectionString: {name: azure, key: CONNECTION}}
---
apiVersion: postgresql.cnpg.io/v1
kind: Cluster
metadata: {name: third}
spec:
  imageCatalogRef: {apiGroup: postgresql.cnpg.io, kind: ImageCatalog, name: images, major: 17}
  instances: 2
  minSyncReplicas: 0
  maxSyncReplicas: 1
  storage: {pvcTemplate: {accessModes: [ReadWriteOncePod], storageClassName: fast, resources: {requests: {storage: 2Gi}}}}
  bootstrap: {recovery: {source: orders}}
  externalClusters: [{name: orders, plugin: {name: barman-cloud.cloudnative-pg.io}}]
  affinity: {podAntiAffinityType: preferred}
  replica: {enabled: false, source: orders}
"""

EXAMPLES |= {"cloudnative-pg": CLOUDNATIVE_PG, "cloudnative-pg-small": CLOUDNATIVE_PG_SMALL}

ZALANDO = """\
apiVersion: acid.zalan.do/v1
kind: postgresql
metadata: {name: acid-shop, namespace: shop, labels: {team: acid}}
spec:
  teamId: acid
  dockerImage: registry.example.com/spilo-16:3.2-p3
  numberOfInstances: 2
  volume: {size: 10Gi, storageClass: fast, iops: 3000}
  additionalVolumes:
  - {name: data, mountPath: /scratch, targetContainers: [all], volumeSource: {emptyDir: {}}}
  - {name: logs, mountPath: /logs, targetContainers: [telegraf], volumeSource: {emptyDir: {}}}
  users:
    shop_owner: [superuser, createdb, NOLOGIN]
    foo_user: []
    bar: null
    other.bar: []
    postgres: [superuser]
  usersWithSecretRotation: [foo_user]
  databases: {shop: shop_owner}
  preparedDatabases:
    stock:
      defaultUsers: true
      extensions: {pg_partman: public, pgcrypto: public}
      schemas: {data: {}, history: {defaultRoles: true}}
    plain: {}
  enableMasterLoadBalancer: true
  enableReplicaLoadBalancer: false
  enableConnectionPooler: true
  connectionPooler: {numberOfInstances: 2, mode: transaction}
  allowedSourceRanges: [10.0.0.0/8]
  serviceAnnotations: {example.com/a: b}
  masterServiceAnnotations: {example.com/dns: shop}
  enableShmVolume: true
  postgresql:
    version: "16"
    parameters: {shared_buffers: 32MB, max_connections: "100", log_statement: all, archive_command: /bin/true}
  patroni:
    initdb: {encoding: UTF8, locale: en_US.UTF-8, data-checksums: "true", auth-host: md5}
    pg_hba:
    - local all all trust
    - hostssl all all 0.0.0.0/0 scram-sha-256
    ttl: 30
    loop_wait: 10
    retry_timeout: 10
    synchronous_mode: true
    synchronous_mode_strict: false
    synchronous_node_count: 1
    maximum_lag_on_failover: 33554432
    failsafe_mode: false
    slots: {permanent_physical_1: {type: physical}}
  resources: {requests: {cpu: 10m, memory: 100Mi}, limits: {cpu: 500m, memory: 500Mi}}
  sidecars: [{name: telegraf, image: "telegraf:1.30", env: [{name: A, value: b}]}]
  initContainers: [{name: date, image: busybox, command: [/bin/date]}]
  podPriorityClassName: high
  tolerations: [{key: postgres, operator: Exists, effect: NoSchedule}]
  nodeAffinity:
    requiredDuringSchedulingIgnoredDuringExecution:
      nodeSelectorTerms: [{matchExpressions: [{key: env, operator: In, values: [prod]}]}]
  podAnnotations: {example.com/scrape: "true"}
  enableLogicalBackup: true
  logicalBackupSchedule: 30 00 * * *
  maintenanceWindows: ["01:00-06:00"]
  spiloFSGroup: 103
  tls: {secretName: shop-tls, caFile: ca.crt}
  env: [{name: TZ, value: UTC}]
  standby: {s3_wal_path: "s3://wal"}
status: {PostgresClusterStatus: Running}
"""

ZALANDO_OLD = """\
apiVersion: acid.zalan.do/v1
kind: postgresql
metadata: {name: acid-minimal}
spec:
  teamId: acid
  numberOfInstances: 0
  volume: {size: 1Gi}
  postgresql: {version: "11"}
  clone: {cluster: acid-shop, timestamp: "2026-01-01T00:00:00+00:00"}
"""

EXAMPLES |= {"zalando": ZALANDO, "zalando-old": ZALANDO_OLD}

CRUNCHY = """\
apiVersion: postgres-operator.crunchydata.com/v1beta1
kind: PostgresCluster
metadata: {name: hippo, namespace: shop}
spec:
  metadata: {labels: {team: hippo}, annotations: {example.com/a: b}}
  postgresVersion: 16
  image: registry.example.com/crunchy-postgres:ubi9-16.4
  imagePullSecrets: [{name: registry}]
  openshift: false
  instances:
  - name: main
    replicas: 2
    minAvailable: 1
    resources: {requests: {cpu: "1", memory: 2Gi}}
    dataVolumeClaimSpec:
      accessModes: [ReadWriteOnce]
      storageClassName: fast
      resources: {requests: {storage: 10Gi}, limits: {storage: 10Gi}}
    walVolumeClaimSpec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 2Gi}}}
    affinity:
      podAntiAffinity:
        preferredDuringSchedulingIgnoredDuringExecution:
        - weight: 1
          podAffinityTerm: {topologyKey: kubernetes.io/hostname, labelSelector: {matchLabels: {app: hippo}}}
    tolerations: [{key: db, operator: Exists}]
    priorityClassName: high
    metadata: {labels: {set: main}}
    containers: [{name: exporter, image: "exporter:1"}]
    sidecars: {replicaCertCopy: {resources: {requests: {cpu: 10m}}}}
  - name: spare
    replicas: 1
    dataVolumeClaimSpec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 5Gi}}}
  users:
  - {name: hippo, databases: [hippo, zoo], options: CREATEDB NOREPLICATION}
  - {name: rhino, databases: [zoo], options: VALID UNTIL 2030, password: {type: AlphaNumeric}}
  - {name: postgres}
  databaseInitSQL: {name: init-sql, key: init.sql}
  customTLSSecret: {name: hippo-tls, items: [{key: tls.crt, path: tls.crt}]}
  customReplicationTLSSecret: {name: hippo-replication}
  patroni:
    leaderLeaseDurationSeconds: 30
    switchover: {enabled: true}
    dynamicConfiguration:
      ttl: 30
      synchronous_mode: true
      synchronous_mode_strict: true
      maximum_lag_on_failover: 2097152
      postgresql:
        parameters: {max_connections: 200, shared_buffers: 512MB, synchronous_commit: local}
        pg_hba: [hostssl all all 10.0.0.0/8 scram-sha-256]
        use_slots: true
  port: 5432
  service: {type: LoadBalancer, metadata: {annotations: {example.com/dns: hippo}, labels: {a: b}}}
  replicaService: {type: ClusterIP, metadata: {annotations: {example.com/dns: hippo-ro}}}
  backups:
    pgbackrest:
      image: registry.example.com/crunchy-pgbackrest:1
      configuration: [{secret: {name: pgo-s3}}]
      global:
        repo1-path: /pgbackrest/hippo/repo1
        repo1-retention-full: "14"
        repo1-retention-full-type: time
        repo1-s3-uri-style: path
        log-level-console: info
        process-max: "2"
      repos:
      - name: repo1
        schedules: {full: 0 1 * * 0, differential: 0 1 * * 1-6}
        s3: {bucket: backups, endpoint: minio.storage, region: eu-west-1}
      - name: repo2
        volume: {volumeClaimSpec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 5Gi}}}}
      manual: {repoName: repo1, options: [--type=full]}
  proxy: {pgBouncer: {replicas: 2}}
  monitoring: {pgmonitor: {exporter: {image: "exporter:2"}}}
  shutdown: false
  dataSource: {postgresCluster: {clusterName: old, repoName: repo1}}
status:
  patroni: {systemIdentifier: "1"}
"""

CRUNCHY_SMALL = """\
apiVersion: postgres-operator.crunchydata.com/v1beta1
kind: PostgresCluster
metadata: {name: small}
spec:
  postgresVersion: 13
  instances:
  - dataVolumeClaimSpec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
  patroni: {dynamicConfiguration: {synchronous_mode: true}}
  backups:
    pgbackrest:
      repos: [{name: repo1, volume: {volumeClaimSpec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}}]
  standby: {enabled: true, repoName: repo1}
"""

EXAMPLES |= {"crunchy": CRUNCHY, "crunchy-small": CRUNCHY_SMALL}

BITNAMI = """\
global:
  imageRegistry: registry.example.com
  imagePullSecrets: [registry]
  defaultStorageClass: fast
  postgresql: {auth: {database: ""}}
fullnameOverride: shop-db
commonLabels: {team: shop}
extraDeploy: [{apiVersion: v1, kind: ConfigMap, metadata: {name: extra}}]
image: {registry: registry.example.com, repository: bitnami/postgresql, tag: 16.4.0-debian-12-r0, pullSecrets: [own], debug: false}
auth:
  postgresPassword: hunter2
  username: shop
  password: hunter2
  database: shop
  replicationPassword: hunter2
  usePasswordFiles: true
  existingSecret: shop-login
  secretKeys: {adminPasswordKey: POSTGRES_PASSWORD, userPasswordKey: password, replicationPasswordKey: replication}
architecture: replication
replication: {synchronousCommit: "on", numSynchronousReplicas: 1, applicationName: shop}
audit: {logConnections: true, pgAuditLog: READ, logHostname: false, clientMinMessages: error}
postgresqlSharedPreloadLibraries: pgaudit, pg_stat_statements
shmVolume: {enabled: true, sizeLimit: 1Gi}
tls: {enabled: true, certificatesSecret: shop-tls, certFilename: tls.crt, certKeyFilename: tls.key, autoGenerated: false}
primary:
  extendedConfiguration: |
    # memory
    shared_buffers = 1GB
    log_line_prefix '%m it''s'
    fsync = off
    hba_file = '/x'
    wrok_mem = 1
  pgHbaConfiguration: |
    local all all trust
    host all all 10.0.0.0/8 md5
  initdb: {args: "--encoding=UTF8 --wal-segsize=32", scripts: {a.sql: SELECT 1;, b.sh: echo}, user: shop, password: hunter2}
  resources: {requests: {cpu: 500m, memory: 1Gi}}
  podAntiAffinityPreset: hard
  nodeAffinityPreset: {type: "", key: "", values: []}
  podLabels: {a: b}
  labels: {c: d}
  nodeSelector: {disk: ssd}
  extraEnvVars: [{name: TZ, value: UTC}, {name: POSTGRESQL_LOG, value: x}, {name: BAD, value: "{{ .Release.Name }}"}]
  extraEnvVarsCM: more
  extraVolumes: [{name: scratch, emptyDir: {}}]
  extraVolumeMounts: [{name: scratch, mountPath: /scratch}]
  sidecars: [{name: exporter, image: "exporter:1"}]
  livenessProbe: {enabled: true}
  podSecurityContext: {enabled: true, fsGroup: 1001}
  pdb: {create: true, maxUnavailable: 1}
  service: {type: NodePort, ports: {postgresql: 5433}, nodePorts: {postgresql: "30432"}, clusterIP: "", annotations: {e/f: g}}
  persistence: {enabled: true, storageClass: fast, size: 20Gi, accessModes: [ReadWriteOnce], existingClaim: ""}
  persistentVolumeClaimRetentionPolicy: {enabled: true, whenScaled: Retain, whenDeleted: Delete}
  networkPolicy: {enabled: true, allowExternal: true}
readReplicas: {replicaCount: 2, resources: {requests: {cpu: 100m}}}
backup: {enabled: true, cronjob: {schedule: "@daily"}}
metrics: {enabled: true, image: {tag: "1"}, serviceMonitor: {enabled: true, interval: 30s, labels: {release: prom}}}
volumePermissions: {enabled: false}
"""

BITNAMI_SMALL = """\
auth: {username: postgres, existingSecret: login}
primary:
  persistence: {enabled: false, size: 1Gi}
  persistentVolumeClaimRetentionPolicy: {enabled: false, whenDeleted: Delete}
replication: {numSynchronousReplicas: 1}
"""

BITNAMI_HA = """\
postgresql:
  image: {tag: 15.8.0-debian-12-r5}
  replicaCount: 3
  username: shop
  password: hunter2
  database: shop
  existingSecret: login
  syncReplication: true
  syncReplicationMode: ANY
  repmgrUsername: repmgr
  repmgrReconnectAttempts: 3
  maxConnections: 200
  statementTimeout: 30000
  sharedPreloadLibraries: "pgaudit, repmgr"
  extendedConf: |
    work_mem = '16MB'
  pgHbaConfiguration: |
    host all all 0.0.0.0/0 scram-sha-256
  initdbScripts: {a.sql: SELECT 1;}
  resources: {limits: {memory: 1Gi}}
  podAntiAffinityPreset: soft
  pdb: {create: false, minAvailable: 1}
pgpool: {replicaCount: 2, adminPassword: hunter2}
witness: {create: true}
persistence: {size: 10Gi, storageClass: fast}
service: {type: ClusterIP, ports: {postgresql: 5432}}
metrics: {enabled: true, serviceMonitor: {enabled: false}}
"""

EXAMPLES |= {"bitnami": BITNAMI, "bitnami-small": BITNAMI_SMALL, "bitnami-ha": BITNAMI_HA}

EXAMPLES |= {f"{name}-rest": rest.text(name) for name in rest.REST}
