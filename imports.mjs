/**
 * Who may import whom: the only copy of the table. `oxlint.config.mjs` makes lint rules of it,
 * `test/integration/import-graph.test.ts` checks it against the real imports, and the table in
 * `docs/decisions/import-boundaries.md` is checked against it too.
 */

const LIBRARIES = [
  ...[
    'protocol',
    'host-metrics',
    'records',
    'messages',
    'runtime',
    'identity',
    'tables',
    'actions',
    'bus',
    'registry',
    'directory',
    'audit',
  ],
  ...['api-contract', 'service-base', 'remote-write'],
];

/**
 * Folder of a package → the packages of this project that its product code may import. Types count as well. A name with
 * a slash allows one entry point of a package only: `api-contract` takes those that need nothing of Node.
 */
export const PACKAGES = {
  'shared/protocol': [],
  'shared/host-metrics': ['protocol/byte-stream'],
  'shared/records': ['protocol'],
  'shared/messages': ['protocol', 'records'],
  'shared/api-contract': ['protocol/vocabulary', 'host-metrics', 'identity/roles', 'runtime/quantity'],
  'shared/api-client': ['protocol/vocabulary', 'host-metrics', 'api-contract'],
  'shared/tables': ['protocol'],
  'shared/actions': ['protocol'],
  'shared/packs': ['protocol', 'tables', 'actions'],
  'shared/vulnerabilities': [],
  'shared/runtime': ['protocol'],
  'shared/identity': ['protocol', 'records'],
  'shared/bus': ['protocol', 'records', 'runtime'],
  'shared/registry': ['protocol', 'runtime'],
  'shared/remote-write': ['protocol', 'runtime'],
  'shared/directory': ['protocol', 'records', 'runtime', 'bus'],
  'shared/audit': ['protocol', 'records', 'runtime', 'bus'],
  'shared/service-base': ['protocol', 'records', 'messages', 'runtime', 'identity', 'bus', 'registry'],
  'shared/testkit': [...LIBRARIES, 'api-client', 'local'],
  'services/gateway': LIBRARIES,
  'services/query': LIBRARIES,
  'services/command': LIBRARIES,
  'services/telemetry': LIBRARIES,
  'services/posture': [...LIBRARIES, 'packs', 'vulnerabilities'],
  'services/api': [...LIBRARIES, 'packs'],
  'services/setup': ['records', 'bus', 'runtime', 'service-base'],
  'services/agent': ['protocol', 'host-metrics', 'identity', 'tables', 'actions', 'packs', 'runtime'],
  'services/cli': [
    'protocol',
    'host-metrics',
    'records',
    'identity',
    'tables',
    'actions',
    'packs',
    'vulnerabilities',
    'runtime',
    'api-contract',
    'api-client',
  ],
  'services/console': ['protocol/vocabulary', 'protocol/selector', 'api-contract', 'api-client'],
  'deploy/local': ['protocol', 'messages', 'runtime', 'identity'],
  'deploy/observability': [],
};

/** What crosses programs; it may import every package. */
export const CROSSING = ['test'];

/** What tests may import besides; `testkit` is above the libraries, so theirs cannot. */
export const TEST_PACKAGES = ['local', 'testkit', 'api-client'];

/** Files that are no product code. */
export const TEST_FILES = ['**/*.test.ts', '**/*.contract.ts', '**/testing/**', '**/fixture/**'];

/** Foreign driver → the folders that may import it. */
export const DRIVERS = {
  '@nats-io/*': ['shared/bus'],
  ioredis: ['shared/registry'],
  'uWebSockets.js': ['services/gateway/src/edge/transport', 'test'],
  koffi: ['services/gateway/src/edge/transport'],
  ws: ['services/gateway', 'services/agent', 'test'],
  express: ['services/api'],
  'openid-client': ['services/api/src/oidc'],
  'prom-client': ['shared/runtime'],
  pino: ['shared/runtime'],
  '@opentelemetry/*': ['shared/runtime'],
  cborg: ['shared/protocol', 'services/console/src/audit', 'services/api'],
  '@sqlite.org/*': ['shared/tables'],
  commander: ['services/cli'],
  snappyjs: ['shared/remote-write'],
  '@grafana/*': ['deploy/observability'],
  testcontainers: ['shared/testkit'],
};

/**
 * What runs in the simulated world (`test/simulation`): its histories are decided by their seeds only if this code
 * reaches time, chance and I/O by ports, or by globals that the world replaces. Folder → the files and folders in it
 * that the world replaces as a whole, or never runs.
 */
export const SIMULATED = {
  'services/query': ['src/sql', 'src/main.ts', 'src/run.ts', 'src/config.ts'],
  'services/command': ['src/main.ts', 'src/run.ts', 'src/config.ts'],
  'services/posture': [
    // Compression without a thread, of a pack.
    'src/packs/pack-library.ts',
    ...['src/packs/pack-compiler.ts', 'src/feeds', 'src/vulnerabilities', 'src/main.ts', 'src/run.ts', 'src/config.ts'],
  ],
  'services/api': [
    // HTTP, and what only it calls.
    ...['app-options', 'main', 'run', 'config', 'http/operation', 'http/viewers', 'http/request-pipeline'],
    ...['http/client-connection', 'http/drain-writer', 'http/problems', 'http/write-lines', 'http/unclear-requests'],
    ...['http/server', 'posture/scan-result-operations', 'posture/pack-operations'],
  ]
    .map((file) => `src/${file}.ts`)
    .concat(['src/console', 'src/webhooks', 'src/audit', 'src/oidc']),
  'services/gateway': [
    'src/edge/transport',
    // It compresses only for agents that take gzip; those of the world do not.
    'src/edge/poll/poll-http.ts',
    'src/traffic',
    'src/main.ts',
    'src/run.ts',
    'src/config.ts',
  ],
  'shared/audit': [],
  'shared/directory': [],
  'shared/messages': [],
  'shared/records': [],
  'shared/service-base': [
    'src/tls-files.ts',
    'src/followed-certificate.ts',
    'src/followed-secrets.ts',
    'src/descriptor-limit.ts',
    // A constant of the program, which it reads once.
    'src/service-version.ts',
  ],
};

/** What reaches a thread, a file, a socket or a timer past the world. */
export const ESCAPES = {
  modules: [
    ...[
      'worker_threads',
      'child_process',
      'cluster',
      'fs',
      'fs/promises',
      'net',
      'tls',
      'dgram',
      'dns',
      'dns/promises',
    ],
    ...['http', 'https', 'http2', 'timers', 'timers/promises', 'zlib', 'readline', 'inspector'],
  ].map((name) => `node:${name}`),
  /** Of `node:crypto`: what the world does not replace, and what it would have to wait for. */
  crypto: [
    ...[
      'default',
      'webcrypto',
      'subtle',
      'randomInt',
      'randomFill',
      'randomFillSync',
      'generateKey',
      'generateKeySync',
    ],
    ...['generateKeyPair', 'generateKeyPairSync', 'generatePrime', 'generatePrimeSync', 'createDiffieHellman'],
    ...['createECDH', 'diffieHellman', 'scrypt', 'pbkdf2', 'hkdf', 'checkPrime'],
  ],
  globals: ['fetch', 'WebSocket', 'XMLHttpRequest', 'EventSource', 'Worker', 'BroadcastChannel', 'MessageChannel'],
  properties: [
    { object: 'process', property: 'hrtime' },
    { object: 'process', property: 'uptime' },
    { object: 'Atomics', property: 'wait' },
    { object: 'crypto', property: 'subtle' },
    { object: 'performance', property: 'timeOrigin' },
  ],
};

/**
 * Floors inside a package: folder → the folders of the same package that it may import. Where a package is not listed,
 * any direction is fine as long as the graph of its folders has no circle.
 */
export const FLOORS = {
  'services/gateway': {
    edge: ['edge/poll', 'edge/transport', 'edge/http', 'sessions/admission', 'sessions/hub', 'foundation', 'traffic'],
    'edge/poll': ['edge/http', 'sessions', 'sessions/admission', 'foundation', 'traffic'],
    'edge/transport': ['edge/http', 'foundation', 'traffic'],
    'edge/http': ['sessions/admission'],
    sessions: ['sessions/admission', 'sessions/registration', 'sessions/hub', 'foundation'],
    'sessions/registration': ['sessions/admission', 'sessions/hub', 'foundation'],
    'sessions/admission': ['sessions/hub', 'foundation'],
    'sessions/hub': ['foundation', 'traffic'],
    'capabilities/queries': ['foundation'],
    'capabilities/commands': ['foundation'],
    'capabilities/modes': ['foundation'],
    'capabilities/metrics': ['foundation'],
    foundation: [],
    traffic: [],
  },
  'services/agent': {
    bundle: ['.', 'host', 'worker'],
    doctor: ['transports', 'network'],
    packs: ['host', 'tables', 'worker'],
    install: ['store'],
    sessions: ['contract', 'identity', 'network'],
    transports: ['contract', 'network', 'traffic'],
    'capabilities/queries': ['contract', 'worker', 'store', 'traffic', 'events/contract'],
    'capabilities/commands': ['contract', 'actions', 'identity', 'network', 'store'],
    'capabilities/modes': ['contract', 'store'],
    'capabilities/metrics': ['contract', 'metrics'],
    worker: ['actions', 'tables', 'host', 'traffic', 'events/contract'],
    tables: ['traffic', 'events/contract'],
    actions: ['tables', 'host', 'store'],
    events: ['events/contract', 'metrics'],
    'events/contract': [],
    metrics: ['tables', 'host'],
    contract: ['network'],
    identity: ['network', 'store'],
    network: ['store', 'traffic'],
    host: ['tables'],
    store: [],
    traffic: [],
  },
};
