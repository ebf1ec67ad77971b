/** What each image holds. */
export const PROGRAMS = {
  gateway: {
    title: 'Muster gateway',
    description: 'Holds the sessions of agents, over WebSocket and HTTPS polls.',
    entries: { main: 'services/gateway/dist/main.js' },
    manifest: 'services/gateway/package.json',
    natives: ['uWebSockets.js', 'koffi'],
  },
  query: {
    title: 'Muster query service',
    description: 'Coordinates queries: counts, merges and reduces answers.',
    entries: {
      main: 'services/query/dist/main.js',
      'compile-worker': 'services/query/dist/sql/compile-worker.js',
      'reduce-worker': 'services/query/dist/sql/reduce-worker.js',
    },
    manifest: 'services/query/package.json',
    natives: ['@sqlite.org/sqlite-wasm'],
  },
  command: {
    title: 'Muster command service',
    description: 'Signs commands, keeps their journal, delivers and settles them.',
    entries: { main: 'services/command/dist/main.js' },
    manifest: 'services/command/package.json',
  },
  telemetry: {
    title: 'Muster telemetry service',
    description: 'Host metrics of the fleet: latest values, histograms, remote write.',
    entries: { main: 'services/telemetry/dist/main.js' },
    manifest: 'services/telemetry/package.json',
  },
  posture: {
    title: 'Muster posture service',
    description: 'Packs of checks, and what scans with them found.',
    entries: { main: 'services/posture/dist/main.js' },
    manifest: 'services/posture/package.json',
    natives: ['@sqlite.org/sqlite-wasm'],
  },
  api: {
    title: 'Muster API',
    description: 'REST and server-sent events for operators.',
    entries: { main: 'services/api/dist/main.js', 'sign-records': 'services/api/dist/sign-records/main.js' },
    manifest: 'services/api/package.json',
    natives: ['@sqlite.org/sqlite-wasm'],
    // The image serves it by `MUSTER_API_CONSOLE_DIR`.
    folders: { console: 'services/console/dist/web' },
  },
  setup: {
    title: 'Muster setup',
    description: 'Makes and changes the streams at NATS, and ends.',
    entries: {
      main: 'services/setup/dist/main.js',
      backup: 'services/setup/dist/backup/main.js',
      restore: 'services/setup/dist/restore/main.js',
    },
    manifest: 'services/setup/package.json',
  },
  agent: {
    title: 'Muster agent',
    description: 'Answers queries and runs commands on an endpoint.',
    entries: { main: 'services/agent/dist/main.js', 'worker-main': 'services/agent/dist/worker/worker-main.js' },
    manifest: 'services/agent/package.json',
    natives: ['@sqlite.org/sqlite-wasm'],
  },
  cli: {
    title: 'Muster CLI',
    description: 'The command line: asks, acts, makes keys.',
    entries: { main: 'services/cli/dist/main.js' },
    manifest: 'services/cli/package.json',
    natives: ['@sqlite.org/sqlite-wasm'],
  },
  simulator: {
    title: 'Muster simulator',
    description: 'A fleet of simulated agents, for trials and load.',
    entries: { main: 'test/dist/simulator/main.js' },
    manifest: 'test/package.json',
    natives: ['@sqlite.org/sqlite-wasm'],
  },
};

/** The ABI of the Node in the base image: 137 is Node 24. */
export const BASE_ABI = '137';
