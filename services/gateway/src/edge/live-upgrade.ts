import { SUBPROTOCOL } from '@muster/protocol';
import type { Metrics } from '@muster/runtime';
import type { AdmissionControl } from '../sessions/admission/admission-control.js';
import type { HandshakeContext } from '../sessions/hub/session.js';
import { browserReply, denialReply, lastReply } from './http/denials.js';
import type { HttpReply } from './http/http-message.js';
import { bearerOf, problemReply } from './http/replies.js';
import type { UpgradeDecision, UpgradeRequest } from './transport/transport.js';

export const LIVE_PATH = '/v1/live';

interface LiveUpgradeOptions {
  readonly admission: Pick<AdmissionControl, 'decide'>;
  readonly metrics: Metrics;
  readonly draining: () => boolean;
}

/** Decides on WebSocket upgrades: what is wrong with the request itself first, then admission control. */
export class LiveUpgrade {
  readonly #admission: LiveUpgradeOptions['admission'];
  readonly #draining: () => boolean;
  readonly #upgrades;

  constructor({ admission, metrics, draining }: LiveUpgradeOptions) {
    this.#admission = admission;
    this.#draining = draining;
    this.#upgrades = metrics.counter({
      name: 'muster_gateway_upgrades_total',
      help: 'WebSocket upgrades by result.',
      labels: ['result'],
      initial: [{ result: 'accepted' }, { result: 'full' }, { result: 'rate' }],
    });
  }

  decide(request: UpgradeRequest): UpgradeDecision<HandshakeContext> {
    const misdirected = misdirectedReply(request);
    if (misdirected !== undefined) return this.#refuse(misdirected.result, misdirected.reply);
    const { address, authorization, proof } = request;
    const admission = this.#admission.decide({ mode: 'live', address, token: bearerOf(authorization), proof });
    if (admission.kind === 'deny') return this.#refuse(admission.result, denialReply(admission));
    this.#upgrades.inc({ result: 'accepted' });
    return { kind: 'accept', protocol: SUBPROTOCOL, context: admission.context };
  }

  #refuse(result: string, reply: HttpReply): UpgradeDecision<HandshakeContext> {
    this.#upgrades.inc({ result });
    return { kind: 'refuse', reply: this.#draining() ? lastReply(reply) : reply };
  }
}

/** The reply to a request that is no upgrade to Live of an agent, with its label in metrics. */
function misdirectedReply({
  path,
  origin,
  protocols,
}: UpgradeRequest): { result: string; reply: HttpReply } | undefined {
  if (path !== LIVE_PATH)
    return { result: 'not_found', reply: problemReply('not_found', `agents connect to ${LIVE_PATH}`) };
  const browser = browserReply(origin);
  if (browser !== undefined) return { result: 'origin', reply: browser };
  return protocols.includes(SUBPROTOCOL)
    ? undefined
    : { result: 'subprotocol', reply: upgradeReply(`offer the subprotocol ${SUBPROTOCOL}`) };
}

/** Says what a WebSocket client must ask for here. */
export function upgradeReply(message: string): HttpReply {
  return problemReply('upgrade_required', message, { upgrade: 'websocket', 'sec-websocket-protocol': SUBPROTOCOL });
}
