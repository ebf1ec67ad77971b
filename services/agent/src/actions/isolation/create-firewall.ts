import type { ActionHost } from '../contract/action.js';
import type { FirewallBackend } from './firewall-backend.js';
import { NetshFirewall } from './netsh-firewall.js';
import { NftFirewall } from './nft-firewall.js';
import { PfFirewall } from './pf-firewall.js';

/** Creates the firewall backend of the host's platform. */
export function createFirewall(host: ActionHost): FirewallBackend {
  switch (host.platform) {
    case 'linux':
      return new NftFirewall(host);
    case 'windows':
      return new NetshFirewall(host);
    case 'darwin':
      return new PfFirewall(host);
  }
}
