import { signHelloProof } from '@muster/identity';
import {
  CAPABILITY,
  decodeBody,
  decodeHeader,
  encodeBody,
  encodeCbor,
  encodeFrame,
  encodeScanRow,
  FLAG_FINAL,
  FRAME,
  frameBody,
  type QueryBody,
  type SessionMode,
} from '@muster/protocol';
import { EndpointCommands } from './endpoint-commands.js';
import type { Manner } from '../plans/plan.js';
import { ProcessClock } from '../world/process-clock.js';
import type { SimulatedProcess, World } from '../world/world.js';
import type { Link, LinkEvents } from './endpoint-link.js';
import { EndpointMode, type ModeSetting } from './endpoint-mode.js';
import type { GatewayNode } from './gateway-node.js';
import type { Identity } from './identities.js';
import { LiveLink } from './live-link.js';
import { PollLink } from './poll-link.js';

const RETRY_MS = 200;
const RETRY_SPREAD_MS = 800;
const DIAL_TIMEOUT_MS = 10_000;
const WATCH_MS = 5_000;
const CALM_MS = 120_000;
const MOST_DELAY_MS = 60_000;
const PASSED = { outcome: 'pass', evidence: null } as const;

/** A session over Poll: between two polls its endpoint cannot know whether it still is one. */
interface Polled {
  readonly fromMs: number;
  /** When a gateway last answered in it. */
  confirmedMs: number;
  /** When the endpoint left it, or heard that it is over. */
  endedMs: number | undefined;
}

/** A session that is ready, or one that is being opened. */
interface Held {
  readonly link: Link;
  readonly polled: Polled;
  heardMs: number;
}

/**
 * An endpoint over Live or Poll, as `docs/protocol.md` has it: it proves its key, answers what it is asked, asks for a sign of life, goes
 * to the channel that it is told to, and comes back to any gateway when its session is gone. It notes what it was asked and what it said:
 * nothing in that comes from the server.
 */
export class Endpoint {
  readonly process: SimulatedProcess;
  readonly identity: Identity;
  readonly manner: Manner;
  readonly commands: EndpointCommands;
  /** The ids of the queries that it was asked, and when it answered which of them in any way. */
  readonly asked = new Set<string>();
  readonly answered = new Map<string, number>();
  /** What a gateway left out of its replies to polls. */
  readonly gaps: string[] = [];
  /** Since when it has a session, this one or others before it without a gap; `undefined` while it has none. */
  readySinceMs: number | undefined;
  /** When its session was opened. */
  sessionSinceMs = 0;
  /** When it lost a session. */
  readonly lostAtMs: number[] = [];
  readonly #world: World;
  readonly #gateways: readonly GatewayNode[];
  readonly #clock: ProcessClock;
  readonly #mode: EndpointMode;
  readonly #polled: Polled[] = [];
  #slowestMs = 0;
  #epoch: number | undefined;
  #session: Held | undefined;
  #attempt: Held | undefined;
  #toleranceMs = 60_000;
  /** On its disk: the checks of the pack. */
  #hasPack = false;
  /** Which query wants the checks, by its handle in the session. */
  readonly #wanted = new Map<number, string>();
  /** When WELCOME last sent it to the other channel, and how often in a row. */
  #redirectedMs = Number.NEGATIVE_INFINITY;
  #redirects = 0;

  constructor(
    world: World,
    {
      identity,
      manner,
      gateways,
      first,
    }: {
      readonly identity: Identity;
      readonly manner: Manner;
      readonly gateways: readonly GatewayNode[];
      /** The channel that it was told to use before the history. */
      readonly first?: ModeSetting | undefined;
    },
  ) {
    this.#world = world;
    this.identity = identity;
    this.manner = manner;
    this.#gateways = gateways;
    this.process = world.process(identity.facts.host);
    this.#clock = new ProcessClock(world, this.process);
    this.commands = new EndpointCommands(world, this.process);
    this.#mode = new EndpointMode(world, {
      ...{ process: this.process, first },
      onChange: (spreadMs) => this.#moveWithin(spreadMs),
    });
  }

  /** What it answers: a row that all have, one that it shares with its neighbour, twice, and one of its own. */
  get rows(): Uint8Array {
    const { num } = this.identity;
    const values = this.manner === 'rows' ? [0, 100 + (num >> 1), 100 + (num >> 1), 200 + num] : [];
    return new Uint8Array(Buffer.concat(values.map((value) => encodeCbor([value]))));
  }

  /** Of its session, or of the last one. */
  get epoch(): number | undefined {
    return this.#epoch;
  }

  /** The channel of its session. */
  get mode(): SessionMode | undefined {
    return this.#session?.link.mode;
  }

  /** How much longer it may take to hear of something than over Live; 0 when it never polled. */
  get slowestMs(): number {
    return this.#slowestMs;
  }

  /** Whether it may have been without a session between these times and not have known, because it polled. */
  mayHaveBeenGone(fromMs: number, toMs: number): boolean {
    return this.#polled.some(({ fromMs: sinceMs, confirmedMs, endedMs = Number.POSITIVE_INFINITY }) => {
      const knownMs = Math.min(toMs, endedMs === Number.POSITIVE_INFINITY ? toMs : endedMs - this.#slowestMs);
      return sinceMs <= toMs && endedMs >= fromMs && confirmedMs < knownMs;
    });
  }

  start(): void {
    this.readySinceMs = undefined;
    this.#session = undefined;
    this.#attempt = undefined;
    this.commands.boot();
    this.#mode.boot();
    this.#world.schedule(this.process, this.#world.random.between(0, 500), () => this.#connect());
    this.#clock.setInterval(() => this.#watch(), WATCH_MS);
  }

  /** Opens a session over the channel that it should use; the one that it has stays until that one is ready. */
  #connect(): void {
    if (this.#attempt !== undefined) return;
    const { process } = this;
    const { mode } = this.#mode.setting;
    const current = (run: () => void): void => {
      if (held === this.#attempt || held === this.#session) run();
    };
    const heard = (): void => void (held.heardMs = this.#clock.monotonic());
    const events: LinkEvents = {
      received: (frame) => current(() => this.#received(held, frame)),
      heard: () => current(heard),
      lost: () => current(() => this.#lost(held)),
    };
    const polled: Polled = { fromMs: this.#world.nowMs, confirmedMs: this.#world.nowMs, endedMs: undefined };
    const base = { process, gateways: this.#gateways, token: this.identity.token, events };
    const confirmed = (): void => void (polled.confirmedMs = this.#world.nowMs);
    const missing = (what: string): void => void this.gaps.push(what);
    const intervalMs = (): number => this.#mode.setting.intervalMs;
    const link =
      mode === 'live'
        ? new LiveLink(this.#world, base)
        : new PollLink(this.#world, { ...base, intervalMs, confirmed, missing });
    const held: Held = { link, polled, heardMs: this.#clock.monotonic() };
    this.#attempt = held;
  }

  #connectLater(): void {
    this.#world.schedule(this.process, RETRY_MS + this.#world.random.between(0, RETRY_SPREAD_MS), () => {
      if (this.#session === undefined || this.#isElsewhere) this.#connect();
    });
  }

  /** Its session is over another channel than it should be. */
  get #isElsewhere(): boolean {
    return this.#session !== undefined && this.mode !== this.#mode.setting.mode;
  }

  #moveWithin(spreadMs: number, afterMs = 0): void {
    this.#slowestMs = Math.max(this.#slowestMs, this.#pollsEveryMs);
    if (!this.#isElsewhere) return;
    this.#world.schedule(this.process, afterMs + this.#world.random.between(0, spreadMs), () => {
      if (this.#isElsewhere) this.#connect();
    });
  }

  get #pollsEveryMs(): number {
    const { mode, intervalMs } = this.#mode.setting;
    return mode === 'poll' ? intervalMs : 0;
  }

  #lost(held: Held): void {
    held.polled.endedMs = this.#world.nowMs;
    if (held === this.#attempt) {
      this.#attempt = undefined;
      return this.#connectLater();
    }
    this.#world.note('has lost its session', this.process);
    this.lostAtMs.push(this.#world.nowMs);
    this.#session = undefined;
    this.readySinceMs = undefined;
    this.commands.disconnected();
    if (this.#attempt === undefined) this.#connectLater();
  }

  /** Asks for a sign of life, and gives a connection up on which nothing comes. */
  #watch(): void {
    const silentMs = ({ heardMs }: Held): number => this.#clock.monotonic() - heardMs;
    const give = (held: Held): void => {
      held.link.drop();
      this.#lost(held);
    };
    if (this.#attempt !== undefined && silentMs(this.#attempt) > DIAL_TIMEOUT_MS) give(this.#attempt);
    const session = this.#session;
    if (session === undefined || session.link.mode === 'poll') return;
    if (silentMs(session) > this.#toleranceMs) give(session);
    else session.link.ping();
  }

  #received(held: Held, frame: Uint8Array): void {
    held.heardMs = this.#clock.monotonic();
    const header = decodeHeader(frame);
    const body = frameBody(frame);
    if (header?.type === FRAME.challenge) this.#hello(held.link, body);
    if (header?.type === FRAME.welcome) this.#welcome(held, body);
    if (held === this.#session && header !== undefined) this.#order(held.link, header, body);
  }

  #order(link: Link, { type, ref }: { readonly type: number; readonly ref: number }, body: Uint8Array): void {
    if (type === FRAME.query) {
      const query = decodeBody('query', body);
      if (query.ok) this.#question(link, ref, query.body);
    }
    if (type === FRAME.pack) {
      const pack = decodeBody('pack', body);
      if (pack.ok) this.#answerLater(link, this.#wanted.get(ref), this.#packed(ref, pack.body.checks.length > 0));
    }
    if (type === FRAME.command) {
      const command = decodeBody('command', body);
      if (command.ok) this.commands.command(command.body);
    }
    if (type === FRAME.commandCancel) {
      const order = decodeBody('commandCancel', body);
      if (order.ok) this.commands.cancel(order.body);
    }
    if (type === FRAME.reportKept) {
      const order = decodeBody('reportKept', body);
      if (order.ok) this.commands.reportKept(order.body);
    }
    if (type === FRAME.mode) {
      const mode = decodeBody('mode', body);
      if (!mode.ok) throw new Error(mode.fault);
      this.#world.note(`is told to use ${mode.body.mode}`, this.process);
      this.#mode.assign(mode.body);
      this.#moveWithin(mode.body.spreadMs);
    }
    if (type === FRAME.reconnect) this.#connect();
  }

  #hello(link: Link, body: Uint8Array): void {
    const challenge = decodeBody('challenge', body);
    if (!challenge.ok) throw new Error(challenge.fault);
    const { keys, agentId, facts, token, num } = this.identity;
    const proof = new Uint8Array(signHelloProof(keys.privateKey, { agentId, nonce: challenge.body.nonce, token }));
    const capabilities = [
      CAPABILITY.query,
      CAPABILITY.command,
      CAPABILITY.heartbeat,
      CAPABILITY.mode,
      CAPABILITY.packs,
    ];
    const instance = new Uint8Array(16).fill(num);
    const replaces = this.#epoch === undefined ? {} : { replaces: this.#epoch };
    const hello = { facts, labels: {}, capabilities, instance, proof, ...replaces };
    link.send(encodeFrame(FRAME.hello, 0, encodeBody('hello', hello)));
  }

  #welcome(held: Held, body: Uint8Array): void {
    const welcome = decodeBody('welcome', body);
    if (!welcome.ok) throw new Error(welcome.fault);
    const { epoch, gatewayHeartbeatMs, heartbeatMs, mode } = welcome.body;
    const { link, polled } = held;
    const former = this.#session;
    this.#session = held;
    this.#attempt = undefined;
    this.#wanted.clear();
    this.#epoch = epoch;
    this.#toleranceMs = 2 * (gatewayHeartbeatMs ?? heartbeatMs);
    this.readySinceMs ??= this.#world.nowMs;
    this.sessionSinceMs = this.#world.nowMs;
    if (former !== undefined) {
      former.polled.endedMs = this.#world.nowMs;
      this.#world.note(`has its session over ${link.mode} instead of ${former.link.mode}`, this.process);
      former.link.leave();
    }
    if (link.mode === 'poll') this.#polled.push(polled);
    this.commands.connected((frame) => link.send(frame));
    if (mode === undefined) return;
    this.#mode.assign(mode);
    this.#moveWithin(mode.spreadMs, this.#isElsewhere ? this.#delayMs() : 0);
  }

  /** Before a change that WELCOME asks for: gateways that disagree must not keep it busy. */
  #delayMs(): number {
    const sinceMs = this.#clock.monotonic() - this.#redirectedMs;
    this.#redirectedMs = this.#clock.monotonic();
    this.#redirects = sinceMs > CALM_MS ? 0 : this.#redirects + 1;
    const mostMs = this.#redirects === 0 ? 0 : Math.min(MOST_DELAY_MS, 500 * 2 ** this.#redirects);
    return this.#world.random.between(0, mostMs);
  }

  #question(link: Link, ref: number, { id, pack }: QueryBody): void {
    this.asked.add(id);
    if (this.manner === 'silent') return;
    if (pack !== undefined && !this.#hasPack) {
      this.#wanted.set(ref, id);
      return link.send(encodeFrame(FRAME.packWanted, ref, encodeBody('packWanted', {})));
    }
    this.#answerLater(link, id, pack === undefined ? this.#answer(ref) : this.#scanned(ref));
  }

  /** It has what it wanted for a scan, or there is none. */
  #packed(ref: number, isThere: boolean): Uint8Array {
    this.#hasPack ||= isThere;
    if (isThere) return this.#scanned(ref);
    const failed = { outcome: 'error', code: 'no_checks', message: 'the gateway has none' } as const;
    return encodeFrame(FRAME.queryEnd, ref, encodeBody('queryEnd', failed));
  }

  #answerLater(link: Link, id: string | undefined, answer: Uint8Array): void {
    if (id === undefined) return;
    this.#world.schedule(this.process, this.#world.random.between(1, 1_500), () => {
      if (link !== this.#session?.link) return;
      this.answered.set(id, this.#world.nowMs);
      link.send(answer);
    });
  }

  #answer(ref: number): Uint8Array {
    if (this.manner === 'error') return this.#failed(ref);
    return encodeFrame(FRAME.rows, ref, this.rows, FLAG_FINAL);
  }

  /** The outcome of the one check that there is: it fails where others have rows. */
  #scanned(ref: number): Uint8Array {
    if (this.manner === 'error') return this.#failed(ref);
    const found = this.manner === 'rows' ? ({ outcome: 'fail', evidence: '[{"value":1}]' } as const) : PASSED;
    return encodeFrame(FRAME.rows, ref, encodeScanRow({ check: 0, reason: null, ...found }), FLAG_FINAL);
  }

  #failed(ref: number): Uint8Array {
    const failed = { outcome: 'error', code: 'test', message: 'told to fail' } as const;
    return encodeFrame(FRAME.queryEnd, ref, encodeBody('queryEnd', failed));
  }
}
