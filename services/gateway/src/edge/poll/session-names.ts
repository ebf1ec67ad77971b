import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { PrivateJwks } from '@muster/identity';
import type { GatewayId } from '@muster/protocol';

const RANDOM_BYTES = 16;
const MAC_BYTES = 12;
const NAME = /^(gw-[a-z2-7]{1,32})\.([\w-]{22})\.([\w-]{16})$/;

/**
 * Names of poll sessions: `<gateway>.<128 random bits>.<mac>`. Whoever has the name is the session's agent, so it is a secret. It says which
 * gateway holds the session, and the MAC that a gateway of this deployment made it: names that somebody invents cost no look-up and no message. The key of the MAC
 * follows from the keys of the agents' tokens, which all gateways have.
 */
export class SessionNames {
  readonly #keys: readonly Buffer[];

  constructor(tokenKeys: PrivateJwks) {
    this.#keys = tokenKeys.keys.map(({ d }) => createHash('sha256').update(`muster.v1 poll session\n${d}`).digest());
  }

  make(gateway: GatewayId): string {
    const text = `${gateway}.${randomBytes(RANDOM_BYTES).toString('base64url')}`;
    return `${text}.${this.#mac(this.#keys[0], text).toString('base64url')}`;
  }

  /** The gateway that made the name; `undefined` for what is no name of this deployment. */
  gatewayOf(name: string): GatewayId | undefined {
    const match = NAME.exec(name);
    if (match === null) return undefined;
    const [, gateway = '', random = '', mac = ''] = match;
    const said = Buffer.from(mac, 'base64url');
    const isOurs = this.#keys.some((key) => timingSafeEqual(this.#mac(key, `${gateway}.${random}`), said));
    return isOurs ? (gateway as GatewayId) : undefined;
  }

  #mac(key: Buffer | undefined, text: string): Buffer {
    if (key === undefined) throw new TypeError('there is no key for agent tokens');
    return createHmac('sha256', key).update(text).digest().subarray(0, MAC_BYTES);
  }
}
