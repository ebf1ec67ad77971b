import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startNats, startRedis } from '@muster/local';
import { silentLogger } from '@muster/runtime';
import { FAST_FORWARD, runBandwidth } from './run-bandwidth.js';

const folder = await mkdtemp(join(tmpdir(), 'muster-bench-'));
const nats = await startNats({ dataDir: join(folder, 'nats'), logger: silentLogger });
const redis = await startRedis({ dataDir: join(folder, 'redis'), logger: silentLogger });
const none = { looks: 0, queries: 0, commands: 0 };
const some = { looks: 3, queries: 3, commands: 2 };
const c = { cutIdleMs: 250 };
try {
  const f = await runBandwidth({ natsUrl: nats.url, redisUrl: redis.url, folder: join(folder, 'b'), freshnessMs: 10_000, say: console.error, agents: [
   { name: 'live', channel: 'live', fastForward: FAST_FORWARD, workload: { ...none, idleMs: 30_000 } },
   { name: 'poll', channel: 'poll', fastForward: FAST_FORWARD, workload: { ...none, idleMs: 30_000 } },
   { name: 'cut', channel: 'poll', ...c, fastForward: FAST_FORWARD, workload: { ...none, idleMs: 30_000 } },
   { name: 'live', channel: 'live', fastForward: 1, workload: { ...some, idleMs: 50_000 } },
   { name: 'poll', channel: 'poll', fastForward: 1, workload: { ...some, idleMs: 50_000 } },
   { name: 'cut', channel: 'poll', ...c, fastForward: 1, workload: { ...some, idleMs: 50_000 } },
  ]});
  console.log(JSON.stringify(f, null, 1));
} finally { await redis.stop(); await nats.stop(); await rm(folder, { recursive: true, force: true }); }
