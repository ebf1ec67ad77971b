import type { Bus } from '@muster/bus';
import type { Directory } from '@muster/directory';
import { encodeBusMessage, SUBJECTS, type DeliverCommand, type DeliveryTarget } from '@muster/messages';
import type { AgentId, GatewayId } from '@muster/protocol';
import { targetBinding } from '@muster/records';
import type { OpenCommand } from '../journal/open-command.js';
import type { Routes } from './routes.js';
import type { TargetTrees } from '../signing/target-trees.js';
import type { ReconcileMetrics } from '../reconcile/reconcile-metrics.js';

export interface DeliverySenderOptions {
  readonly bus: Bus;
  readonly directory: Pick<Directory, 'byNum'>;
  readonly routes: Pick<Routes, 'of'>;
  readonly trees: Pick<TargetTrees, 'of'>;
  readonly keyList: () => string;
  readonly metrics: ReconcileMetrics;
}

/** Target number → the gateway that holds its agent, where that is known already. */
export type Targets = ReadonlyMap<number, GatewayId | undefined>;

export interface Delivered {
  /** Those that went to a gateway. */
  readonly targets: number;
  readonly gateways: number;
  /** Nobody could say who holds them, so all gateways were told. */
  readonly broadcast: boolean;
  /** Those whose agents nobody holds now. */
  readonly absent: readonly number[];
  /** Those whose agents poll, as far as it had to be looked up who holds them. */
  readonly polled: readonly number[];
}

/** One message, about; half of what the broker takes. */
const MESSAGE_BYTES = 512 * 1024;
/** A target in a message without its proof and binding. */
const TARGET_BYTES = 48;

/**
 * Says to gateways what to give to their agents. Everything here may be said twice, lost or late: agents recognise what they know, and whoever
 * calls says it again until the journal has an answer. It must only ever be called for targets that the journal says are sent.
 */
export class DeliverySender {
  readonly #options: DeliverySenderOptions;

  constructor(options: DeliverySenderOptions) {
    this.#options = options;
  }

  /** Rejects when the tree cannot be made now. */
  async deliver(command: OpenCommand, targets: Targets): Promise<Delivered> {
    const { trees, keyList, bus, metrics } = this.#options;
    const signature = command.fold.signature;
    const placed = await this.#place(command, targets);
    if (signature === undefined) return { ...placed.result, targets: 0 };
    const tree = await trees.of(command.record);
    for (const [gateway, numbers] of placed.byGateway) {
      let batch: DeliveryTarget[] = [];
      let bytes = 0;
      const flush = async (): Promise<void> => {
        const broadcast = gateway === EVERYBODY;
        const { id, org } = command;
        const message: DeliverCommand = {
          t: 'command_deliver',
          ...{ id, org, jws: signature.jws, keys: keyList(), targets: batch, broadcast },
        };
        bus.publish(
          broadcast ? SUBJECTS.allGatewayCommands : SUBJECTS.gatewayCommands(gateway),
          encodeBusMessage(message),
        );
        metrics.deliveries.inc({ route: broadcast ? 'broadcast' : 'gateway' }, batch.length);
        [batch, bytes] = [[], 0];
        await turn();
      };
      for (const number of numbers) {
        const target = this.#target(command, number, tree.proof(number));
        if (target === undefined) continue;
        batch.push(target);
        bytes += TARGET_BYTES + target[2].length + bindingBytes(target[3]);
        if (bytes >= MESSAGE_BYTES) await flush();
      }
      if (batch.length > 0) await flush();
    }
    return placed.result;
  }

  async cancel(command: OpenCommand, targets: Targets): Promise<Delivered> {
    const { bus, directory, metrics } = this.#options;
    const placed = await this.#place(command, targets);
    for (const [gateway, numbers] of placed.byGateway) {
      const broadcast = gateway === EVERYBODY;
      const subject = broadcast ? SUBJECTS.allGatewayCommands : SUBJECTS.gatewayCommands(gateway);
      for (let from = 0; from < numbers.length; from += CANCELS) {
        const slice = numbers.slice(from, from + CANCELS).flatMap((number): [number, AgentId][] => {
          const agentId = directory.byNum(command.fold.nums[number - 1] ?? 0)?.agentId;
          return agentId === undefined ? [] : [[number, agentId]];
        });
        const { id, org } = command;
        bus.publish(subject, encodeBusMessage({ t: 'command_cancel', id, org, targets: slice, broadcast }));
        metrics.cancels.inc(slice.length);
      }
    }
    return placed.result;
  }

  async #place(command: OpenCommand, targets: Targets): Promise<Placed> {
    const { directory, routes } = this.#options;
    const asked = [...targets].flatMap(([number, gateway]) => {
      const endpoint = gateway === undefined ? directory.byNum(command.fold.nums[number - 1] ?? 0) : undefined;
      return endpoint === undefined ? [] : [endpoint];
    });
    const found = asked.length === 0 ? NO_ROUTES : await routes.of(command.org, asked);
    const byGateway = new Map<GatewayId, number[]>();
    const absent: number[] = [];
    const polled: number[] = [];
    for (const [number, hint] of targets) {
      const route = hint === undefined ? found?.get(command.fold.nums[number - 1] ?? 0) : undefined;
      if (route?.mode === 'poll') polled.push(number);
      const gateway = hint ?? (found === undefined ? EVERYBODY : route?.gateway);
      if (gateway === undefined) absent.push(number);
      else {
        const numbers = byGateway.get(gateway);
        if (numbers === undefined) byGateway.set(gateway, [number]);
        else numbers.push(number);
      }
    }
    const broadcast = byGateway.has(EVERYBODY);
    const gateways = byGateway.size - (broadcast ? 1 : 0);
    return { byGateway, result: { targets: targets.size - absent.length, gateways, broadcast, absent, polled } };
  }

  #target({ fold, record }: OpenCommand, number: number, proof: Uint8Array): DeliveryTarget | undefined {
    const agentId = this.#options.directory.byNum(fold.nums[number - 1] ?? 0)?.agentId;
    return agentId === undefined ? undefined : [number, agentId, proof, targetBinding(record.targets, number) ?? null];
  }
}

interface Placed {
  readonly byGateway: ReadonlyMap<GatewayId, number[]>;
  readonly result: Delivered;
}

const EVERYBODY = '' as GatewayId;
const NO_ROUTES: ReadonlyMap<number, never> = new Map<number, never>();
const CANCELS = 5_000;

function bindingBytes(binding: DeliveryTarget[3]): number {
  return binding === null ? 0 : JSON.stringify(binding).length + 16;
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
