import { ConnectionGuard, systemClock, type ServiceContext } from '@muster/runtime';
import { connectionsThatFit, connectService, FollowedCertificate, tlsFiles } from '@muster/service-base';
import type { GatewayConfig } from './config.js';
import { chooseTransport } from './edge/transport/choose-transport.js';
import { HEAD_TIMEOUT_MS } from './edge/transport/transport.js';
import { followSecrets } from './follow-secrets.js';
import { createGateway } from './gateway.js';

/** The gateway with its brokers, its sockets and its health port, in the order in which the components start. */
export async function buildGateway(config: GatewayConfig, context: ServiceContext): Promise<void> {
  const { runner, logger } = context;
  const base = await connectService(config, context);
  const { components, transport, secretUsers } = await createGateway({
    ...{ ...base, config },
    life: {
      draining: () => runner.state === 'draining' || runner.state === 'stopping',
      ready: () => runner.ready,
    },
    openTransport: (options, handlers) => {
      const guarded = { ...options, guard: () => connectionGuard(config, context) };
      return chooseTransport(config.transport, guarded, { handlers, logger });
    },
  });
  followSecrets(base.secrets, config, secretUsers);
  for (const [name, component] of components) runner.go(name, component);
  runner.go(
    'certificate',
    new FollowedCertificate({ ...{ ...base, ...tlsFiles(config) }, apply: () => transport.renewCertificate() }),
  );
}

/** Agents behind one address are many, so an address may have all connections. */
function connectionGuard({ trustedProxies: proxies }: GatewayConfig, context: ServiceContext): ConnectionGuard {
  const total = connectionsThatFit();
  const bounds = { total, perAddress: total, unproven: Math.ceil(total / 2) };
  const { logger, metrics } = context;
  return new ConnectionGuard({
    ...{ listener: 'gateway', bounds, proxies, clock: systemClock, logger, metrics },
    headTimeoutMs: HEAD_TIMEOUT_MS,
  });
}
