import { RequestSeal } from '@muster/identity';
import type { ServiceContext } from '@muster/runtime';
import { ClockSkew, connectService } from '@muster/service-base';
import { createCommandService } from './command-service.js';
import type { CommandConfig } from './config.js';
import { CommandKeys } from './signing/command-keys.js';

/** The command service, component by component, in the order in which they start. */
export async function buildCommandService(config: CommandConfig, context: ServiceContext): Promise<void> {
  const { keyList, requestKey } = config;
  const keys = new CommandKeys(config.keys.reveal().jwks, keyList.reveal().trim());
  if (requestKey === undefined) {
    context.logger.warn(
      'commands are accepted from anyone who reaches the broker; set MUSTER_COMMAND_REQUEST_KEY here and on every api',
    );
  }
  const seal = requestKey === undefined ? undefined : new RequestSeal(requestKey.reveal().keys);
  const base = await connectService(config, context);
  base.secrets.follow({ signing: config.keys, list: keyList }, ({ signing, list }) => {
    keys.renew(signing.jwks, list.trim());
    return { signs: keys.kid };
  });
  base.secrets.follow({ requestKey }, ({ requestKey: next }) => {
    if (next !== undefined) seal?.renew(next.keys);
    return undefined;
  });
  const { instance, components } = createCommandService({
    ...base,
    ...{ config, keys },
    ...(seal === undefined ? {} : { seal }),
  });
  context.logger.info('command service', { instance });
  context.runner.go('clock skew', new ClockSkew({ ...base, bus: base.broker.bus }));
  for (const [name, component] of components) context.runner.go(name, component);
}
