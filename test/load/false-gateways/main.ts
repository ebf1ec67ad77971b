import { connectNats, type Broker } from '@muster/bus';
import { openRedisRegistry } from '@muster/registry';
import { silentLogger } from '@muster/runtime';
import { FalseGateway } from './false-gateway.js';
import type { FalseGatewayRequest } from './false-gateways.js';

/** False gateways in a process of their own. Some share a connection to NATS: a process with hundreds would be measured for them. */
const PER_CONNECTION = 20;
const HEARTBEAT_MS = 1_500;
const LEASE_MS = 3_600_000;

const gateways: FalseGateway[] = [];

async function start({
  natsUrl,
  redisUrl,
  count,
  endpoints,
}: Extract<FalseGatewayRequest, { t: 'start' }>): Promise<void> {
  const registry = await openRedisRegistry({ url: redisUrl, logger: silentLogger });
  let broker: Broker | undefined;
  for (let i = 0; i < count; i += 1) {
    if (broker === undefined || i % PER_CONNECTION === 0) {
      broker = await connectNats({ servers: [natsUrl], name: `false gateways ${i}`, logger: silentLogger });
    }
    // An endpoint may be at any gateway: the numbers of one are spread over all.
    const nums = Array.from({ length: endpoints }, (_, at) => at * count + ((i + at * 7) % count) + 1);
    const gateway = new FalseGateway(broker.bus, nums);
    const info = { sessions: endpoints, draining: false, startedAtMs: Date.now() };
    const renewed = await registry.lease.renew({ gatewayId: gateway.id, ttlMs: LEASE_MS, info });
    if (renewed.kind === 'unavailable') throw renewed.cause;
    gateways.push(gateway);
    await broker.bus.flush();
  }
  const beat = (): void => gateways.forEach((gateway) => gateway.sendHeartbeat());
  beat();
  setInterval(beat, HEARTBEAT_MS);
}

process.on('message', (request: FalseGatewayRequest) => {
  if (request.t === 'spread') {
    for (const gateway of gateways) gateway.spreadMs = request.ms;
    process.send?.({ t: 'done' });
    return;
  }
  start(request).then(
    () => process.send?.({ t: 'done' }),
    (error: unknown) => process.send?.({ t: 'failed', message: String(error) }),
  );
});
process.once('disconnect', () => process.exit(0));
