import { comesBack, type WelcomeBody } from '@muster/protocol';
import { fullJitter, type Backoff } from '@muster/runtime';
import type { Behaviour } from './behaviour.js';
import { AgentCommands, type CommandHost } from './commands/agent-commands.js';
import type { Identity } from './enrolment.js';
import type { FleetContext } from './fleet-context.js';
import type { Machine } from './machine/machine.js';
import { Session } from './session.js';
import type { SocketEnd } from './wire/raw-web-socket.js';

/**
 *     idle ──connect──▶ connecting ──WELCOME──▶ ready ──lost, come-back code──▶ waiting ──▶ connecting
 *                                                 ├──stay-away code──▶ away
 *     any ──stop, kill──▶ stopped                 └──disappear──▶ waiting (long)
 */
export type AgentStatus = 'idle' | 'connecting' | 'ready' | 'waiting' | 'away' | 'stopped';

const BACKOFF = { baseMs: 1_000, capMs: 30_000 };

/** One simulated endpoint: its machine, its identity, its behaviour, and its presence on a gateway. */
export class SimulatedAgent implements CommandHost {
  readonly machine: Machine;
  readonly behaviour: Behaviour;
  /** Set by enrolment, and again when a WELCOME brings a new token. */
  identity: Identity;
  status: AgentStatus = 'idle';
  /** The close code or status that it stays away for. */
  awayBecause: number | undefined;
  readonly #context: FleetContext;
  #backoff: Backoff | undefined;
  #session: Session | undefined;
  #next: Session | undefined;
  #timer: NodeJS.Timeout | undefined;
  // Made at the first command: most agents never get one.
  #commands: AgentCommands | undefined;
  #gateway: number;

  constructor(machine: Machine, behaviour: Behaviour, identity: Identity, context: FleetContext) {
    this.machine = machine;
    this.behaviour = behaviour;
    this.identity = identity;
    this.#context = context;
    this.#gateway = machine.index;
  }

  get agentId(): string {
    return this.identity.agentId;
  }

  get commands(): AgentCommands {
    return (this.#commands ??= new AgentCommands(this, this.#context.commands));
  }

  /** A new token; what was pinned stays. */
  enrolledAgain(identity: Identity): void {
    const { trust } = this.identity;
    this.identity = trust.length === 0 ? identity : { ...identity, trust };
  }

  send(frame: Uint8Array): boolean {
    const session = this.#session?.ready === true ? this.#session : this.#next;
    return session?.ready === true && session.say(frame);
  }

  connect(): void {
    if (this.status !== 'idle' && this.status !== 'waiting') return;
    this.#timer = undefined;
    this.#setStatus('connecting');
    this.#context.pacer.enter(() => {
      if (this.status === 'connecting') this.#session = new Session(this, this.#context, this.#gateway);
      else this.#context.pacer.done();
    });
  }

  /** Ends in order, for good. */
  stop(): void {
    this.#end((session) => session.close(1000));
  }

  /** Drops everything at once, as a crash would, for good; `revive` brings it back. */
  kill(): void {
    this.#end((session) => session.destroy());
  }

  revive(): void {
    if (this.status !== 'stopped' && this.status !== 'away') return;
    this.awayBecause = undefined;
    this.#backoff?.reset();
    this.#setStatus('idle');
    this.connect();
  }

  /** Ends without warning, as if killed between two instructions, and comes back after a while with what it had noted. */
  crash(): void {
    const { restartMs } = this.#context.commands.behaviour;
    this.#commands?.lose();
    this.#dropSessions((session) => session.destroy());
    this.#waitThenConnect(restartMs * (0.5 + Math.random()));
  }

  /** Drops the connection and comes back after the fleet's `disappearMs`. */
  disappear(): void {
    this.#dropSessions((session) => session.destroy());
    this.#waitThenConnect(this.#context.options.disappearMs);
  }

  beat(nowMs: number): void {
    this.#session?.beat(nowMs);
    this.#commands?.beat(nowMs);
  }

  /** The gateway asks it to go elsewhere: the next session is opened before this one ends. */
  moveAfter(delayMs: number): void {
    if (this.status !== 'ready' || this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      if (this.status !== 'ready' || this.#next !== undefined) return;
      this.#context.pacer.enter(() => {
        if (this.status === 'ready') this.#next = new Session(this, this.#context, (this.#gateway += 1));
        else this.#context.pacer.done();
      });
    }, delayMs);
  }

  sessionReady(session: Session, welcome: WelcomeBody): void {
    this.#context.pacer.done();
    if (welcome.token !== undefined) this.identity = { ...this.identity, token: welcome.token };
    if (welcome.commandKeys !== undefined) {
      this.#context.commands.verifier.acceptKeys(this.identity.trust, welcome.commandKeys);
    }
    if (session === this.#next) {
      this.#session?.leave();
      this.#session = session;
      this.#next = undefined;
    }
    this.#backoff?.reset();
    this.#setStatus('ready');
    this.#commands?.connected();
  }

  sessionEnded(session: Session, end: SocketEnd, wasReady: boolean): void {
    const { stats, pacer } = this.#context;
    if (!wasReady) pacer.done();
    stats.ended(end);
    if (session === this.#next) this.#next = undefined;
    else if (session === this.#session) this.#session = undefined;
    else return;
    if (this.status === 'stopped' || this.#session !== undefined || this.#next !== undefined) return;
    this.#comeBack(end);
  }

  #comeBack(end: SocketEnd): void {
    const refusal = end.kind === 'refused' ? end.status : end.kind === 'closed' ? end.code : 0;
    if (end.kind === 'refused' && end.status === 401) {
      this.#setStatus('waiting');
      this.#context.enrolAgain(this);
      return;
    }
    if (refusal === 403 || refusal === 426 || (end.kind === 'closed' && !comesBack(end.code))) {
      this.awayBecause = refusal;
      this.#setStatus('away');
      return;
    }
    // A place on another gateway, when there is one, is worth more than the same place later.
    this.#gateway += 1;
    this.#backoff ??= fullJitter(BACKOFF);
    this.#waitThenConnect(this.#backoff.next(end.kind === 'refused' ? end.retryAfterMs : 0));
  }

  #waitThenConnect(delayMs: number): void {
    clearTimeout(this.#timer);
    this.#setStatus('waiting');
    this.#timer = setTimeout(() => this.connect(), delayMs);
  }

  #end(finish: (session: Session) => void): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#setStatus('stopped');
    this.#commands?.lose();
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
    this.status = status;
    if (status === 'ready' || status === 'away') this.#context.settled();
  }
}
