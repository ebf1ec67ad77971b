import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { PrivateJwks } from '@muster/identity';
import type { GatewayId } from '@muster/protocol';

const RANDOM_BYTES = 16;
const MAC_BYTES = 12;
const NAME = /^(gw-[a-z2-7]{1,32})\.([\w-]{22})\.([\w-]{16})$/;

/**
 * By what gateways know a session among themselves: the SHA-256 of its name, since whoever sees the bus must not learn the name. A text
 * that is no name is such a hash already: gateways of the version before pass whole names on.
 */
export function sessionKey(session: string): string {
  return NAME.test(session) ? createHash('sha256').update(session).digest('base64url') : session;
}

/**
 * Names of poll sessions: `<gateway>.<128 random bits>.<mac>`. A name is a secret: a request with it counts as the agent's. It says which
 * gateway holds the session, and its MAC proves that a gateway of this deployment made it: an invented name costs no look-up and no
 * message. The key of the MAC is derived from the keys of the agents' tokens, which all gateways have.
 */
export class SessionNames {
  #keys: readonly Buffer[] = [];

  constructor(tokenKeys: PrivateJwks) {
    this.renew(tokenKeys);
  }

  /** Names made with a key that is not in this document are not ours from now on. */
  renew(tokenKeys: PrivateJwks): void {
    this.#keys = tokenKeys.keys.map(({ d }) => createHash('sha256').update(`muster.v1 poll session\n${d}`).digest());
  }

  make(gateway: GatewayId): string {
    const text = `${gateway}.${randomBytes(RANDOM_BYTES).toString('base64url')}`;
    return `${text}.${this.#mac(this.#keys[0], text).toString('base64url')}`;
  }

  /** The gateway that made the name; `undefined` when none of this deployment did. */
  gatewayOf(name: string): GatewayId | undefined {
    const match = NAME.exec(name);
    if (match === null) return undefined;
    const [, gateway = '', random = '', mac = ''] = match;
    const given = Buffer.from(mac, 'base64url');
    const isOurs = this.#keys.some((key) => timingSafeEqual(this.#mac(key, `${gateway}.${random}`), given));
    return isOurs ? (gateway as GatewayId) : undefined;
  }

  #mac(key: Buffer | undefined, text: string): Buffer {
    if (key === undefined) throw new TypeError('there is no key for agent tokens');
    return createHmac('sha256', key).update(text).digest().subarray(0, MAC_BYTES);
  }
}
