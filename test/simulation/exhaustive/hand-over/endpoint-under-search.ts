import { ConnectionManager } from '@muster/agent/connection-manager';
import type { AgentId } from '@muster/protocol';
import { silentLogger } from '@muster/runtime';
import { StillClock, type StillTime } from './still-clock.js';
import { Wire } from './wire.js';

/** The connections of one endpoint: its connection manager, on wires that are as slow as the search wants. */
export class EndpointUnderSearch {
  readonly num: number;
  readonly agentId: AgentId;
  readonly clock: StillClock;
  readonly manager: ConnectionManager;
  /** Connections that are not over, in the order in which they were begun. */
  wires: Wire[] = [];
  /** The connection whose session it has. */
  session: Wire | undefined;
  /** Of its last session. */
  epoch: number | undefined;
  /** HELLO has changed while one was under way. */
  isStale = false;
  #orders = 0;

  constructor(num: number, time: StillTime) {
    this.num = num;
    this.agentId = `e${num}` as AgentId;
    this.clock = new StillClock(time);
    const instance = new Uint8Array(16).fill(num);
    const facts = { host: `e${num}`, os: 'linux', arch: 'x64', osName: '', osVersion: '', agentVersion: '1' } as const;
    this.manager = new ConnectionManager({
      ...{ gateways: ['lb'], capabilities: [], logger: silentLogger, clock: this.clock, random: () => 0.5 },
      desired: {
        setting: { mode: 'live', intervalMs: 0 },
        fallsBack: false,
        start: () => undefined,
        stop: () => undefined,
      },
      credentials: {
        ...{ token: () => 'token', setToken: () => undefined, connectProof: () => '' },
        enrol: () => Promise.reject(new Error('it is enrolled')),
        hello: () => ({ facts, labels: {}, instance, proof: new Uint8Array(64) }),
      },
      connect: (request, events) => {
        this.isStale = false;
        const wire: Wire = new Wire((this.#orders += 1), request, {
          ...events,
          onReady: (welcome) => {
            this.session = wire;
            this.epoch = welcome.epoch;
            events.onReady(welcome);
          },
          onEnd: (end) => {
            if (this.session === wire) this.session = undefined;
            events.onEnd(end);
          },
        });
        this.wires.push(wire);
        return wire.endpointSide;
      },
    });
    this.manager.start();
  }

  /** What it tells of itself has changed: it opens its next session. */
  renew(): void {
    this.isStale = this.manager.state === 'connecting' || this.manager.state === 'moving';
    this.manager.renew();
  }

  /** Forgets connections that are over. */
  sweep(): void {
    this.wires = this.wires.filter((wire) => !wire.isOver);
  }

  get text(): string {
    const { state } = this.manager;
    const last = this.wires.at(-1);
    const isNewer = this.session !== undefined && last !== undefined && last.order > this.session.order;
    const marks = [this.clock.hasTimer ? 'timer' : '', this.isStale ? 'stale' : '', isNewer ? 'newer' : ''];
    return `${state} @${this.epoch ?? ''}@ ${marks.join('/')}`;
  }
}
