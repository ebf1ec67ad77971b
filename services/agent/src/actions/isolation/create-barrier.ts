import type { ActionHost } from '../action.js';
import type { Barrier } from './barrier.js';
import { NetshBarrier } from './netsh-barrier.js';
import { NftBarrier } from './nft-barrier.js';
import { PfBarrier } from './pf-barrier.js';

/** The barrier of the host's platform. */
export function createBarrier(host: ActionHost): Barrier {
  switch (host.platform) {
    case 'linux':
      return new NftBarrier(host);
    case 'windows':
      return new NetshBarrier(host);
    case 'darwin':
      return new PfBarrier(host);
  }
}
