import { silentLogger } from '@muster/runtime';
import { burstContract } from './bursts.contract.js';
import { chooseTransport } from './choose-transport.js';
import { framingContract } from './framing.contract.js';
import { transportContract } from './transport.contract.js';

for (const kind of ['uws', 'ws'] as const) {
  for (const contract of [transportContract, framingContract, burstContract])
    contract(kind, (options, handlers) => chooseTransport(kind, options, { handlers, logger: silentLogger }));
}
