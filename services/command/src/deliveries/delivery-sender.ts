import type { Bus } from '@muster/bus';
import type { Directory } from '@muster/directory';
import { encodeBusMessage, messagingAttributes, SUBJECTS, traced, type DeliveryTarget } from '@muster/messages';
import { isTerminal, type AgentId, type GatewayId } from '@muster/protocol';
import { targetBinding } from '@muster/records';
import type { OpenCommand } from '../journal/open-command.js';
import type { Routes } from './routes.js';
import type { TargetTrees } from '../signing/target-trees.js';
import type { Metrics, Tracer } from '@muster/runtime';

export interface DeliverySenderOptions {
  readonly bus: Bus;
  readonly directory: Pick<Directory, 'byNum'>;
  readonly routes: Pick<Routes, 'of'>;
  readonly trees: Pick<TargetTrees, 'of'>;
  readonly keyList: () => string;
  readonly metrics: DeliveryMetrics;
  readonly tracer: Tracer;
}

/** Target number → the gateway that holds its agent, where it is known. */
export type Targets = ReadonlyMap<number, GatewayId | undefined>;

export interface Delivered {
  /** How many targets were sent to gateways. */
  readonly targets: number;
  readonly gateways: number;
  /** The registry could not be asked, so it went to all gateways. */
  readonly broadcast: boolean;
  /** Targets whose agents no gateway holds. */
  readonly absent: readonly number[];
  /** Targets whose agents are in the mode poll, among those that were looked up. */
  readonly polled: readonly number[];
}

/** About the size of one message: half of what the broker takes. */
const MESSAGE_BYTES = 512 * 1024;
/** Size of a target in a message, without its proof and binding. */
const TARGET_BYTES = 48;
const DELIVERY_SPAN = messagingAttributes(SUBJECTS.allGatewayCommands);

/**
 * Sends deliveries and cancellations to gateways. A message may be lost, late or repeated: agents recognise a command that
 * they know, and the reconciler repeats it until there is a report. Call it only for targets that are `sent` in the journal.
 */
export class DeliverySender {
  readonly #options: DeliverySenderOptions;

  constructor(options: DeliverySenderOptions) {
    this.#options = options;
  }

  /** Rejects when the target tree cannot be built now. */
  async deliver(command: OpenCommand, targets: Targets): Promise<Delivered> {
    const { trees, keyList, bus, metrics, tracer } = this.#options;
    const signature = command.fold.signature;
    const routed = await this.#route(command, targets);
    if (signature === undefined) return { ...routed.result, targets: 0 };
    const tree = await trees.of(command.record);
    for (const [gateway, numbers] of routed.byGateway) {
      let batch: DeliveryTarget[] = [];
      let bytes = 0;
      const flush = async (): Promise<void> => {
        const { subject, broadcast } = routeTo(gateway);
        const { id, org, record } = command;
        const attributes = { ...DELIVERY_SPAN, 'muster.command.id': id, 'muster.command.targets': batch.length };
        const span = tracer.part('command deliver', record.traceparent, { kind: 'producer', attributes });
        const content = { id, org, jws: signature.jws, keys: keyList(), targets: batch, broadcast };
        bus.publish(subject, encodeBusMessage({ t: 'command_deliver', ...content, ...traced(span) }));
        span.end();
        metrics.deliveries.inc({ route: broadcast ? 'broadcast' : 'gateway' }, batch.length);
        [batch, bytes] = [[], 0];
        await turn();
      };
      for (const number of numbers) {
        // Routes and trees were waited for. An endpoint that has reported an outcome meanwhile must not hear of the command again.
        if (isTerminal(command.fold.state(number))) continue;
        const target = this.#target(command, number, tree.proof(number));
        if (target === undefined) continue;
        batch.push(target);
        bytes += TARGET_BYTES + target[2].length + bindingBytes(target[3]);
        if (bytes >= MESSAGE_BYTES) await flush();
      }
      if (batch.length > 0) await flush();
    }
    return routed.result;
  }

  async cancel(command: OpenCommand, targets: Targets): Promise<Delivered> {
    const { bus, directory, metrics } = this.#options;
    const routed = await this.#route(command, targets);
    for (const [gateway, numbers] of routed.byGateway) {
      const { subject, broadcast } = routeTo(gateway);
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
    return routed.result;
  }

  async #route(command: OpenCommand, targets: Targets): Promise<Routed> {
    const { directory, routes } = this.#options;
    const endpoints = [...targets].flatMap(([number, gateway]) => {
      const endpoint = gateway === undefined ? directory.byNum(command.fold.nums[number - 1] ?? 0) : undefined;
      return endpoint === undefined ? [] : [endpoint];
    });
    const found = endpoints.length === 0 ? NO_ROUTES : await routes.of(command.org, endpoints);
    const byGateway = new Map<GatewayId, number[]>();
    const absent: number[] = [];
    const polled: number[] = [];
    for (const [number, hint] of targets) {
      const route = hint === undefined ? found?.get(command.fold.nums[number - 1] ?? 0) : undefined;
      if (route?.mode === 'poll') polled.push(number);
      const gateway = hint ?? (found === undefined ? ALL_GATEWAYS : route?.gateway);
      if (gateway === undefined) absent.push(number);
      else {
        const numbers = byGateway.get(gateway);
        if (numbers === undefined) byGateway.set(gateway, [number]);
        else numbers.push(number);
      }
    }
    const broadcast = byGateway.has(ALL_GATEWAYS);
    const gateways = byGateway.size - (broadcast ? 1 : 0);
    return { byGateway, result: { targets: targets.size - absent.length, gateways, broadcast, absent, polled } };
  }

  #target({ fold, record }: OpenCommand, number: number, proof: Uint8Array): DeliveryTarget | undefined {
    const agentId = this.#options.directory.byNum(fold.nums[number - 1] ?? 0)?.agentId;
    return agentId === undefined ? undefined : [number, agentId, proof, targetBinding(record.targets, number) ?? null];
  }
}

interface Routed {
  readonly byGateway: ReadonlyMap<GatewayId, number[]>;
  readonly result: Delivered;
}

const ALL_GATEWAYS = '' as GatewayId;
const NO_ROUTES: ReadonlyMap<number, never> = new Map<number, never>();
const CANCELS = 5_000;

function routeTo(gateway: GatewayId): { readonly subject: string; readonly broadcast: boolean } {
  const broadcast = gateway === ALL_GATEWAYS;
  return { subject: broadcast ? SUBJECTS.allGatewayCommands : SUBJECTS.gatewayCommands(gateway), broadcast };
}

function bindingBytes(binding: DeliveryTarget[3]): number {
  return binding === null ? 0 : JSON.stringify(binding).length + 16;
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

export type DeliveryMetrics = ReturnType<typeof deliveryMetrics>;

export function deliveryMetrics(metrics: Metrics) {
  return {
    deliveries: metrics.counter({
      name: 'muster_command_deliveries_total',
      help: 'Targets sent to gateways for delivery, repetitions too, by how the gateway was found.',
      labels: ['route'],
    }),
    cancels: metrics.counter({
      name: 'muster_command_cancels_total',
      help: 'Targets sent to gateways for cancellation, repetitions too.',
    }),
  };
}
