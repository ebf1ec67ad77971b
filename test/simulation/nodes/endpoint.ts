import { signHelloProof } from '@muster/identity';
import {
  CAPABILITY,
  decodeBody,
  decodeHeader,
  encodeBody,
  encodeCbor,
  encodeFrame,
  FLAG_FINAL,
  FRAME,
  frameBody,
  type QueryBody,
} from '@muster/protocol';
import { EndpointCommands } from './endpoint-commands.js';
import type { Manner } from '../plans/plan.js';
import { ProcessClock } from '../world/process-clock.js';
import type { SimulatedProcess, World } from '../world/world.js';
import type { GatewayNode } from './gateway-node.js';
import type { Identity } from './identities.js';
import type { EndpointConnection } from './simulated-transport.js';

const RETRY_MS = 200;
const RETRY_SPREAD_MS = 800;
const DIAL_TIMEOUT_MS = 10_000;
const WATCH_MS = 5_000;

/**
 * An endpoint over Live, as `docs/protocol.md` has it: it proves its key, answers what it is asked, asks for a sign of life, and comes back
 * to any gateway when its connection is gone. It notes what it was asked and what it said: nothing in that comes from the server.
 */
export class Endpoint {
  readonly process: SimulatedProcess;
  readonly identity: Identity;
  readonly manner: Manner;
  readonly commands: EndpointCommands;
  /** The ids of the queries that it was asked, and of those that it answered in any way. */
  readonly asked = new Set<string>();
  readonly answered = new Set<string>();
  /** Since when its session is ready; `undefined` while it is not. */
  readySinceMs: number | undefined;
  /** When it lost a session. */
  readonly lostAtMs: number[] = [];
  readonly #world: World;
  readonly #gateways: readonly GatewayNode[];
  readonly #clock: ProcessClock;
  #epoch: number | undefined;
  /** Counts connections: what belongs to an older one is ignored. */
  #attempt = 0;
  #connection: EndpointConnection | undefined;
  #heardMs = 0;
  #toleranceMs = 60_000;

  constructor(
    world: World,
    { identity, manner, gateways }: { identity: Identity; manner: Manner; gateways: readonly GatewayNode[] },
  ) {
    this.#world = world;
    this.identity = identity;
    this.manner = manner;
    this.#gateways = gateways;
    this.process = world.process(identity.facts.host);
    this.#clock = new ProcessClock(world, this.process);
    this.commands = new EndpointCommands(world, this.process);
  }

  /** Of its session, or of the last one. */
  get epoch(): number | undefined {
    return this.#epoch;
  }

  start(): void {
    this.readySinceMs = undefined;
    this.commands.boot();
    this.#world.schedule(this.process, this.#world.random.between(0, 500), () => this.#dial());
    this.#clock.setInterval(() => this.#watch(), WATCH_MS);
  }

  #dial(): void {
    const gateway = this.#world.random.pick(this.#gateways).listening;
    const attempt = (this.#attempt += 1);
    this.#connection = undefined;
    this.#heardMs = this.#clock.monotonic();
    if (gateway === undefined) return this.#dialLater();
    const current = (run: () => void) => (): void => {
      if (attempt === this.#attempt) run();
    };
    gateway.dial(
      {
        process: this.process,
        opened: (connection) =>
          current(() => {
            this.#connection = connection;
            this.#heard();
          })(),
        refused: () => current(() => this.#lost())(),
        received: (frame) => current(() => this.#received(frame))(),
        heard: () => current(() => this.#heard())(),
        closed: () => current(() => this.#lost())(),
      },
      this.identity.token,
    );
  }

  #dialLater(): void {
    this.#world.schedule(this.process, RETRY_MS + this.#world.random.between(0, RETRY_SPREAD_MS), () => this.#dial());
  }

  #lost(): void {
    if (this.readySinceMs !== undefined) {
      this.#world.note('has lost its session', this.process);
      this.lostAtMs.push(this.#world.nowMs);
    }
    this.readySinceMs = undefined;
    this.commands.disconnected();
    this.#attempt += 1;
    this.#dialLater();
  }

  #heard(): void {
    this.#heardMs = this.#clock.monotonic();
  }

  /** Asks for a sign of life, and gives a connection up on which nothing comes. */
  #watch(): void {
    const silentMs = this.#clock.monotonic() - this.#heardMs;
    const isReady = this.readySinceMs !== undefined;
    if (silentMs > (isReady ? this.#toleranceMs : DIAL_TIMEOUT_MS)) {
      const connection = this.#connection;
      this.#lost();
      connection?.drop();
    } else if (isReady) this.#connection?.ping();
  }

  #received(frame: Uint8Array): void {
    this.#heard();
    const header = decodeHeader(frame);
    const body = frameBody(frame);
    if (header?.type === FRAME.challenge) this.#hello(body);
    if (header?.type === FRAME.welcome) this.#welcome(body);
    if (header?.type === FRAME.query) {
      const query = decodeBody('query', body);
      if (query.ok) this.#question(header.ref, query.body);
    }
    if (header?.type === FRAME.command) {
      const command = decodeBody('command', body);
      if (command.ok) this.commands.command(command.body);
    }
    if (header?.type === FRAME.commandCancel) {
      const order = decodeBody('commandCancel', body);
      if (order.ok) this.commands.cancel(order.body);
    }
    if (header?.type === FRAME.reportKept) {
      const order = decodeBody('reportKept', body);
      if (order.ok) this.commands.reportKept(order.body);
    }
    if (header?.type === FRAME.reconnect) {
      const connection = this.#connection;
      this.#lost();
      connection?.drop();
    }
  }

  #hello(body: Uint8Array): void {
    const challenge = decodeBody('challenge', body);
    if (!challenge.ok) throw new Error(challenge.fault);
    const { keys, agentId, facts, token, num } = this.identity;
    const proof = new Uint8Array(signHelloProof(keys.privateKey, { agentId, nonce: challenge.body.nonce, token }));
    const capabilities = [CAPABILITY.query, CAPABILITY.command, CAPABILITY.heartbeat];
    const instance = new Uint8Array(16).fill(num);
    const replaces = this.#epoch === undefined ? {} : { replaces: this.#epoch };
    const hello = { facts, labels: {}, capabilities, instance, proof, ...replaces };
    this.#connection?.send(encodeFrame(FRAME.hello, 0, encodeBody('hello', hello)));
  }

  #welcome(body: Uint8Array): void {
    const welcome = decodeBody('welcome', body);
    if (!welcome.ok) throw new Error(welcome.fault);
    const { epoch, gatewayHeartbeatMs, heartbeatMs } = welcome.body;
    this.#epoch = epoch;
    this.#toleranceMs = 2 * (gatewayHeartbeatMs ?? heartbeatMs);
    this.readySinceMs = this.#world.nowMs;
    this.commands.connected((frame) => this.#connection?.send(frame));
  }

  #question(ref: number, { id }: QueryBody): void {
    this.asked.add(id);
    if (this.manner === 'silent') return;
    const connection = this.#connection;
    this.#world.schedule(this.process, this.#world.random.between(1, 1_500), () => {
      if (connection === undefined || connection !== this.#connection) return;
      this.answered.add(id);
      connection.send(this.#answer(ref));
    });
  }

  #answer(ref: number): Uint8Array {
    if (this.manner === 'error') {
      const failed = { outcome: 'error', code: 'test', message: 'told to fail' } as const;
      return encodeFrame(FRAME.queryEnd, ref, encodeBody('queryEnd', failed));
    }
    const rows = this.manner === 'empty' ? new Uint8Array(0) : encodeCbor([this.identity.num]);
    return encodeFrame(FRAME.rows, ref, rows, FLAG_FINAL);
  }
}
