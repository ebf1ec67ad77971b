import type { Bus } from '@muster/bus';
import { encodeBusMessage, SUBJECTS } from '@muster/messages';
import type { AgentId, CommandId, GatewayId } from '@muster/protocol';
import type { ReceivedReport } from './received-report.js';

type Item = readonly [agentId: AgentId, id: CommandId, number: number];

const MAX_ITEMS = 2_000;

/** Acknowledges reports whose outcome is in the journal. All of one turn of the event loop go out together. */
export class AckSender {
  readonly #bus: Bus;
  readonly #waiting = new Map<GatewayId, Item[]>();

  constructor(bus: Bus) {
    this.#bus = bus;
  }

  add({ gateway, report: { agentId, id, number } }: ReceivedReport): void {
    if (this.#waiting.size === 0) setImmediate(() => this.#send());
    const items = this.#waiting.get(gateway) ?? [];
    this.#waiting.set(gateway, items);
    items.push([agentId, id, number]);
  }

  #send(): void {
    for (const [gateway, items] of this.#waiting) {
      for (let from = 0; from < items.length; from += MAX_ITEMS) {
        const message = { t: 'command_kept', items: items.slice(from, from + MAX_ITEMS) } as const;
        this.#bus.publish(SUBJECTS.gatewayCommands(gateway), encodeBusMessage(message));
      }
    }
    this.#waiting.clear();
  }
}
