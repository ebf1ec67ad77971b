import type { ActionHost } from '../contract/action.js';
import type { Barrier } from './firewall-backend.js';
import { NetshBarrier } from './netsh-firewall.js';
import { NftBarrier } from './nft-firewall.js';
import { PfBarrier } from './pf-firewall.js';

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
