import { ModeChangePace } from '@muster/agent/mode-change-pace';
import {
  CLOSE,
  shouldReconnect,
  type HelloBody,
  type ModeBody,
  type SessionMode,
  type WelcomeBody,
} from '@muster/protocol';
import { fullJitter, type Backoff } from '@muster/runtime';
import type { AgentStatus } from './fleet-stats.js';
import type { Behaviour } from './behaviour.js';
import { ChannelSelector } from './channel-selector.js';
import { AgentCommands, type CommandHost } from '../commands/agent-commands.js';
import type { Identity } from './identity.js';
import type { FleetContext } from './fleet-context.js';
import type { Machine } from '../machine/machine.js';
import { PlannedMove, type MoveReason } from './planned-move.js';
import { Session, type SessionAgent, type SessionState } from './session.js';
import type { WireEnd } from '../channels/wire.js';

/** How long the first attempt waits for a gateway's answer; the third one waits three times as long. */
const OPEN_TIMEOUT_MS = 5_000;
const MOVE_AGAIN_MS = 1_000;
const BACKOFF = { baseMs: 1_000, capMs: 30_000 };

/** One simulated endpoint: its machine, its identity, its behaviour and its sessions with gateways. */
export class SimulatedAgent implements CommandHost, SessionAgent {
  readonly machine: Machine;
  readonly behaviour: Behaviour;
  /** Set by enrolment, and again when a WELCOME brings a new token. */
  identity: Identity;
  status: AgentStatus = 'idle';
  /** The close code or HTTP status after which it does not reconnect. */
  excludedBy: number | undefined;
  readonly #context: FleetContext;
  readonly #channel: ChannelSelector;
  #backoff: Backoff | undefined;
  // Created at the first WELCOME that sends it to the other channel.
  #pace: ModeChangePace | undefined;
  /** Within which time it comes back from its latest session, as the gateway said. */
  #spreadMs = 0;
  #isReturning = false;
  #session: Session | undefined;
  /** The session that is to replace it, while it is being opened. */
  #next: Session | undefined;
  #timer: NodeJS.Timeout | undefined;
  readonly #move = new PlannedMove((why) => this.#begin(why));
  /** Why it opens, or opened, its next session. */
  #moving: MoveReason | undefined;
  /** The epoch of its current or latest session since it started. */
  #epoch: number | undefined;
  /** A session was lost before WELCOME; the gateway may have let it supersede the current one. */
  #contested = false;
  // Created at the first command: most agents never get one.
  #commands: AgentCommands | undefined;
  #gateway: number;

  constructor(machine: Machine, behaviour: Behaviour, identity: Identity, context: FleetContext) {
    this.machine = machine;
    this.behaviour = behaviour;
    this.identity = identity;
    this.#context = context;
    this.#channel = new ChannelSelector(context.options.channel, machine.index);
    this.#gateway = machine.index;
  }

  get agentId(): string {
    return this.identity.agentId;
  }

  /** Of its current or latest session: another one after each move. */
  get epoch(): number | undefined {
    return this.#epoch;
  }

  /** The channel of its session; `undefined` while it has none that is ready. */
  get mode(): SessionMode | undefined {
    return this.#session?.ready === true ? this.#session.mode : undefined;
  }

  get pollIntervalMs(): number {
    return this.#channel.intervalMs;
  }

  get commands(): AgentCommands {
    return (this.#commands ??= new AgentCommands(this, this.#context.commands));
  }

  /** Takes a new token. The pinned roots stay. */
  reenrolled(identity: Identity): void {
    const { trust } = this.identity;
    this.identity = trust.length === 0 ? identity : { ...identity, trust };
  }

  send(frame: Uint8Array): boolean {
    const session = this.#session?.ready === true ? this.#session : this.#next;
    return session?.ready === true && session.send(frame);
  }

  connect(): void {
    if (this.status !== 'idle' && this.status !== 'waiting') return;
    this.#timer = undefined;
    this.#setStatus('connecting');
    this.#context.pacer.enter(() => {
      if (this.status === 'connecting') this.#session = this.#open(this.#channel.next);
      else this.#context.pacer.done();
    });
  }

  /** Closes its sessions and does not reconnect. */
  stop(): void {
    this.#end((session) => session.close(1000));
  }

  /** Drops its connections at once, as a crash would, and does not reconnect until `revive`. */
  kill(): void {
    this.#end((session) => session.destroy());
  }

  revive(): void {
    if (this.status !== 'stopped' && this.status !== 'excluded') return;
    this.excludedBy = undefined;
    this.#epoch = undefined;
    this.#backoff?.reset();
    this.#setStatus('idle');
    this.connect();
  }

  /** Ends without warning, as if killed between two instructions, and starts again later with its command history. */
  crash(): void {
    const { restartMs } = this.#context.commands.behaviour;
    this.#commands?.interrupt();
    this.#dropSessions((session) => session.destroy());
    this.#epoch = undefined;
    this.#waitThenConnect(restartMs * (0.5 + Math.random()));
  }

  /** Drops the connection and reconnects after the fleet's `disappearMs`. */
  disappear(): void {
    this.#dropSessions((session) => session.destroy());
    this.#waitThenConnect(this.#context.options.disappearMs);
  }

  beat(nowMs: number): void {
    this.#session?.beat(nowMs);
    this.#next?.beat(nowMs);
    this.#commands?.beat(nowMs);
    const spreadMs = this.#channel.lapse(nowMs);
    if (spreadMs !== undefined) this.#moveToDesiredMode(Math.random() * spreadMs);
  }

  /** The fields of HELLO that depend on earlier sessions. */
  helloFields(): Pick<HelloBody, 'replaces' | 'away'> {
    const replaces = this.#epoch === undefined ? {} : { replaces: this.#epoch };
    return { ...replaces, ...this.#channel.fallbackField(this.#context.coarseNowMs) };
  }

  /** A gateway assigns the channel. `ageMs`: how long ago it did. */
  modeAssigned(mode: ModeBody, ageMs: number): void {
    this.#channel.assign(mode, ageMs, this.#context.coarseNowMs);
    this.#moveToDesiredMode(Math.random() * mode.spreadMs);
  }

  /** The gateway asks it to reconnect elsewhere: the next session is opened before this one ends. */
  reconnectAfter(delayMs: number): void {
    this.#moveIn(delayMs, 'reconnect');
  }

  sessionReady(session: Session, welcome: WelcomeBody, ageMs: number): void {
    const { pacer, commands, stats } = this.#context;
    pacer.done();
    this.#epoch = welcome.epoch;
    this.#contested = false;
    if (welcome.token !== undefined) this.identity = { ...this.identity, token: welcome.token };
    if (welcome.commandKeys !== undefined) commands.verifier.acceptKeys(this.identity.trust, welcome.commandKeys);
    if (session === this.#next) {
      if (this.#session !== undefined && this.#session.mode !== session.mode) stats.changes += 1;
      this.#session?.leave();
      this.#session = session;
      this.#next = undefined;
    }
    this.#backoff?.reset();
    this.#spreadMs = welcome.returnSpreadMs ?? 0;
    this.#isReturning = true;
    this.#channel.ready(session.mode);
    this.#setStatus('ready');
    this.#commands?.connected();
    if (welcome.mode === undefined) this.#moveToDesiredMode(0);
    else this.#redirected(session, welcome.mode, ageMs);
  }

  /** By WELCOME, which the next gateway may contradict. */
  #redirected({ mode }: Session, assigned: ModeBody, ageMs: number): void {
    const context = this.#context;
    this.#channel.assign(assigned, ageMs, context.coarseNowMs);
    if (this.#channel.desiredMode === mode) return this.#moveToDesiredMode(0);
    this.#pace ??= new ModeChangePace({ clock: { monotonic: () => context.coarseNowMs }, random: Math.random });
    this.#moveToDesiredMode(this.#pace.next() + Math.random() * assigned.spreadMs);
  }

  sessionEnded(session: Session, end: WireEnd, { reached, heldMs }: { reached: SessionState; heldMs: number }): void {
    const { stats, pacer, coarseNowMs } = this.#context;
    if (reached !== 'ready') pacer.done();
    stats.ended(end);
    if (session !== this.#next && session !== this.#session) return;
    if (end.kind !== 'closed') this.#channel.failed(session.mode, { heldMs, why: whyOf(end) }, coarseNowMs);
    if (reached === 'awaitingWelcome') this.#contested = true;
    const wasNext = session === this.#next;
    if (wasNext) this.#next = undefined;
    else this.#session = undefined;
    if (this.status === 'stopped') return;
    // A gateway may close the former session before this agent has read the WELCOME of its next one.
    const isMoved = end.kind === 'closed' && end.code === CLOSE.superseded.code && this.#next !== undefined;
    if (reached === 'ready' && !wasNext && !isMoved) stats.cut(this.agentId, end);
    if (this.#next !== undefined) return;
    if (this.#session === undefined) this.#reconnect(end);
    else if (wasNext) this.#moveAgain(end);
  }

  #open(mode: SessionMode): Session {
    const patience = Math.min(3, Math.max(1, this.#backoff?.attempt ?? 0));
    const openTimeoutMs = patience * OPEN_TIMEOUT_MS + this.#spreadMs;
    return new Session(this, this.#context, { mode, gateway: this.#gateway, openTimeoutMs });
  }

  /** Plans a move when the session is not on the desired channel, or when Live is to be retried. */
  #moveToDesiredMode(delayMs: number): void {
    const mode = this.mode;
    if (mode === undefined) return;
    if (mode !== this.#channel.desiredMode) this.#moveIn(delayMs, 'desired mode');
    else {
      const retryMs = this.#channel.nextTryMs();
      if (retryMs !== undefined) this.#moveIn(retryMs, 'retry live');
    }
  }

  /** A move failed, and the session that it was to replace goes on. */
  #moveAgain(end: WireEnd): void {
    // A gateway that drains: a load balancer sends the next attempt elsewhere, so the delay does not grow.
    const isDraining = end.kind === 'refused' && end.status === 503 && end.retryAfterMs <= MOVE_AGAIN_MS;
    const delayMs = isDraining ? end.retryAfterMs + Math.random() * MOVE_AGAIN_MS : this.#delay(end);
    if (this.#moving === 'reconnect') this.#moveIn(delayMs, 'reconnect');
    else this.#moveToDesiredMode(delayMs);
  }

  #moveIn(delayMs: number, why: MoveReason): void {
    // A move under way checks again when its session is ready.
    if (this.status === 'ready' && this.#next === undefined) this.#move.in(delayMs, why);
  }

  #begin(why: MoveReason): void {
    const mode = why === 'retry live' ? 'live' : this.#channel.desiredMode;
    if (this.status !== 'ready' || this.#next !== undefined || (why === 'desired mode' && mode === this.mode)) return;
    this.#context.pacer.enter(() => {
      if (this.status !== 'ready' || this.#next !== undefined) {
        this.#context.pacer.done();
        return;
      }
      this.#moving = why;
      if (why === 'reconnect') this.#gateway += 1;
      this.#next = this.#open(mode);
    });
  }

  #reconnect(end: WireEnd): void {
    const refusal = end.kind === 'refused' ? end.status : end.kind === 'closed' ? end.code : 0;
    if (end.kind === 'refused' && end.status === 401) {
      this.#setStatus('waiting');
      this.#context.enrolAgain(this);
      return;
    }
    if (refusal === 403 || refusal === 426 || (end.kind === 'closed' && !this.#shouldReconnect(end.code))) {
      this.excludedBy = refusal;
      this.#setStatus('excluded');
      return;
    }
    this.#waitThenConnect(this.#delay(end));
  }

  /** The delay before the next attempt, which goes to the next gateway: another gateway now is better than the same one later. */
  #delay(end: WireEnd): number {
    this.#gateway += 1;
    this.#backoff ??= fullJitter({ ...BACKOFF, repeats: Math.min(3, this.#context.options.gateways.length) });
    const spreadMs = this.#isReturning ? this.#spreadMs : 0;
    const delayMs = this.#backoff.next(end.kind === 'refused' ? end.retryAfterMs : 0, spreadMs);
    this.#isReturning = false;
    return delayMs;
  }

  /** A close as superseded counts as a lost connection when it was the agent's own newer session that superseded this one. */
  #shouldReconnect(code: number): boolean {
    return shouldReconnect(code) || (code === CLOSE.superseded.code && this.#contested);
  }

  #waitThenConnect(delayMs: number): void {
    clearTimeout(this.#timer);
    this.#move.cancel();
    this.#setStatus('waiting');
    this.#timer = setTimeout(() => this.connect(), delayMs);
  }

  #end(finish: (session: Session) => void): void {
    clearTimeout(this.#timer);
    this.#move.cancel();
    this.#timer = undefined;
    this.#setStatus('stopped');
    this.#commands?.interrupt();
    this.#dropSessions(finish);
  }

  #dropSessions(finish: (session: Session) => void): void {
    const sessions = [this.#session, this.#next];
    this.#session = undefined;
    this.#next = undefined;
    for (const session of sessions) if (session !== undefined) finish(session);
  }

  #setStatus(status: AgentStatus): void {
    if (status === this.status) return;
    this.#context.stats.moved(this.status, status);
    if (status === 'ready') this.#context.presence.connected(this.agentId);
    else if (this.status === 'ready') this.#context.presence.gone(this.agentId);
    this.status = status;
    if (status === 'ready' || status === 'excluded') this.#context.settled();
  }
}

function whyOf(end: WireEnd): string {
  return end.kind === 'refused' ? `refused with ${end.status}` : end.kind === 'lost' ? end.message : `${end.code}`;
}
