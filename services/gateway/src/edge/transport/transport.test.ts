import { silentLogger } from '@muster/runtime';
import { chooseTransport } from './choose-transport.js';
import { transportContract } from './transport.contract.js';

for (const kind of ['uws', 'ws'] as const) {
  transportContract(kind, (options, handlers) => chooseTransport(kind, options, { handlers, logger: silentLogger }));
}
