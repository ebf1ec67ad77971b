import { LIMITS } from '@muster/protocol';

/**
 * The newest signed list of command keys that a command service has sent, for WELCOME. It is not verified here: agents do that, and an
 * agent that is given an older one keeps what it has.
 */
export class KeyList {
  #jws: string | undefined;
  #version = 0;

  get jws(): string | undefined {
    return this.#jws;
  }

  /** Keeps a list whose version is above the one that is kept. */
  heard(jws: string): void {
    if (jws === this.#jws || jws === '' || jws.length > LIMITS.jwsBytes) return;
    const version = versionOf(jws);
    if (version === undefined || version <= this.#version) return;
    this.#jws = jws;
    this.#version = version;
  }
}

function versionOf(jws: string): number | undefined {
  try {
    const payload: unknown = JSON.parse(Buffer.from(jws.split('.')[1] ?? '', 'base64url').toString());
    if (typeof payload !== 'object' || payload === null || !('version' in payload)) return undefined;
    const { version } = payload;
    return typeof version === 'number' && Number.isSafeInteger(version) ? version : undefined;
  } catch {
    return undefined;
  }
}
